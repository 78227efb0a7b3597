"""No page may forget a thing that the code has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dev.lint.registry import RULES, WAIVER
from dev.reference.house import ROOT, Room, contracts, floors, rooms
from dev.reference.page import Page
from dev.reference.pages.commands import COMMANDS
from dev.reference.pages.errors import ERRORS, kinds
from dev.reference.pages.lint import LINT
from dev.reference.pages.map import MAP
from dev.reference.pages.settings import SETTINGS, fields, processes
from dev.reference.registry import PAGES
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.frame import LazyGroup
from seatrial.main.command import seatrial
from seatrial.main.explain import all_errors

_MARKDOWN = [page for page in PAGES if page.path.endswith(".md")]


def headings(page: Page) -> list[str]:
    return [match[1].strip("`") for match in re.finditer(r"^#+ (.+)$", page.render(), re.MULTILINE)]


def test_every_error_has_its_heading_with_message_cause_and_remedy() -> None:
    text = ERRORS.render()
    ours = [error for error in all_errors() if error.__module__.startswith("seatrial.")]
    assert {error.code for error in ours} <= set(headings(ERRORS))
    for error in ours:
        assert f"**Cause:** {error.cause}\n\n**Remedy:** {error.remedy}\n" in text


def test_every_kind_and_exit_code_is_told() -> None:
    text = ERRORS.render()
    for kind in kinds():
        assert f"| `{kind.__name__}` | {kind.status} | {int(kind.exit_code)} |" in text
    for code in Exit:
        assert f"| {int(code)} | {code.name.lower().replace('_', ' ')} |" in text


def test_the_page_of_errors_shows_fields_by_name_alone() -> None:
    assert "!r}" not in ERRORS.render()


def test_every_settings_field_is_told_with_its_meaning_and_variable() -> None:
    text = SETTINGS.render()
    found = [pair for process in processes() for pair in fields(process, ())]
    assert found
    for dotted, field in found:
        assert field.description, f"{dotted} has no description"
        assert f"| `{dotted}` |" in text
        assert f"`SEATRIAL_{dotted.upper().replace('.', '__')}`" in text


def test_every_command_has_its_heading() -> None:
    context = seatrial.make_context("seatrial", ["--help"], resilient_parsing=True)
    assert isinstance(seatrial, LazyGroup)
    for name in seatrial.list_commands(context):
        assert f"seatrial {name}" in headings(COMMANDS)


def test_a_command_below_a_group_has_its_heading_and_its_options() -> None:
    assert "seatrial settings check" in headings(COMMANDS)
    assert "`--json`" in COMMANDS.render()


def test_examples_of_a_command_stand_in_a_block_without_indent() -> None:
    assert "```sh\nseatrial explain settings_invalid\n" in COMMANDS.render()
    assert "\b" not in COMMANDS.render()


def test_every_rule_of_our_lint_has_its_heading() -> None:
    assert {rule.code for rule in (WAIVER, *RULES)} <= set(headings(LINT))
    for rule in (WAIVER, *RULES):
        assert rule.promise in LINT.render()


def test_every_room_is_on_the_map() -> None:
    def named(room: Room) -> list[str]:
        return [room.name, *(name for inner in room.inner for name in named(inner))]

    text = MAP.render()
    for room in rooms():
        for name in named(room):
            assert f"### {name}\n" in text or f"`{name.replace('.', '/')}`" in text


def test_every_import_contract_is_on_the_map_in_words() -> None:
    text = MAP.render()
    for contract in contracts():
        assert f"### {contract['id']}\n\n{contract['name']}.\n\n- " in text


def test_the_map_lets_no_room_import_what_a_contract_keeps_from_it() -> None:
    allowed = re.search(
        r"### cli\n.*?^May import ([^.]+)\.", MAP.render(), re.DOTALL | re.MULTILINE
    )
    assert allowed
    assert "`kit`" in allowed[1]
    assert "`control`" not in allowed[1]
    assert "`cell`" not in allowed[1]


def test_every_floor_names_rooms_that_exist() -> None:
    assert {name for floor in floors() for name in floor} == {room.name for room in rooms()}


@pytest.mark.parametrize("page", _MARKDOWN, ids=lambda page: page.path)
def test_every_link_within_a_page_meets_a_heading(page: Page) -> None:
    anchors = {heading.lower().replace(" ", "-") for heading in headings(page)}
    for link in re.findall(r"\]\(#([^)]+)\)", page.render()):
        assert link in anchors


@pytest.mark.parametrize("page", _MARKDOWN, ids=lambda page: page.path)
def test_every_table_has_one_width(page: Page) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.render(), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_ends_with_one_line_break_and_has_no_trailing_space(page: Page) -> None:
    text = page.render()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_pages_are_the_same_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dev.reference.page import write\n"
        "from dev.reference.registry import PAGES; write(Path(sys.argv[1]), PAGES)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "COLUMNS": "40", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, cwd=ROOT, env=environment)
    for page in PAGES:
        assert (tmp_path / page.path).read_text(encoding="utf-8") == page.render()
