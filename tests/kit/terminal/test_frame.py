from pathlib import Path

import click
import pytest

from seatrial.kit.errors import Exit, NotFound
from seatrial.kit.terminal.frame import LazyGroup, run


class HarbourUnknown(NotFound):
    """No harbour {name!r} for {boat}."""

    code = "harbour_unknown"
    cause = "It silted up."
    remedy = "Ask the pilot."


@click.group(
    cls=LazyGroup,
    table={
        "sail": ("nowhere.at.all:sail", "Sail away."),
        "moor": ("nowhere.at.all:moor", "Come home."),
    },
)
def fleet() -> None:
    """Boats."""


@click.command()
@click.option("--speed", type=int)
@click.option("--how", default="fine")
def sail(speed: int | None, how: str) -> int | None:
    """Sail."""
    if how == "named":
        raise HarbourUnknown(name="x\x1b[2J", boat="Ida\x1b[2J")
    if how == "defect":
        raise KeyError("the secret inside")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "pipe":
        raise BrokenPipeError
    if how == "file":
        raise click.FileError("a.txt", "no such file")
    return speed


def test_help_lists_commands_without_importing_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fleet, ["--help"], name="fleet") == Exit.OK
    assert "Sail away." in capsys.readouterr().out


def test_a_typo_suggests_and_ends_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fleet, ["sial"], name="fleet") == Exit.USAGE
    err = capsys.readouterr().err
    assert "error command_unknown: There is no command 'sial'; did you mean 'sail'." in err


def test_no_command_at_all_shows_help_and_ends_as_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(fleet, [], name="fleet") == Exit.USAGE
    assert "Come home." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["--how", "named"], Exit.NOT_FOUND, "harbour_unknown"),
        (["--how", "defect"], Exit.FAILED, "internal_fault"),
        (["--how", "file"], Exit.NOT_FOUND, "file_unusable"),
        (["--speed", "fast"], Exit.USAGE, "usage_invalid"),
        (["--sped", "1"], Exit.USAGE, "usage_invalid"),
        (["--speed"], Exit.USAGE, "usage_invalid"),
        (["extra"], Exit.USAGE, "usage_invalid"),
    ],
)
def test_every_error_ends_with_code_cause_and_remedy_and_no_traceback(
    arguments: list[str], exit_code: Exit, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(sail, arguments, name="sail") == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith(f"error {code}: ")
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["cause", "remedy", "more"]
    assert all(line.split(":", 1)[1].strip() for line in lines)
    assert "Traceback" not in err
    assert "the secret inside" not in err
    assert "\x1b[2J" not in err


def test_a_defect_keeps_its_traceback_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    run(sail, ["--how", "defect"], name="sail")
    path = capsys.readouterr().err.split("'")[1]
    assert "the secret inside" in Path(path).read_text()


def test_an_interrupt_ends_as_shells_expect() -> None:
    assert run(sail, ["--how", "interrupt"], name="sail") == 130


def test_a_command_may_choose_its_exit_code() -> None:
    assert run(sail, ["--speed", "6"], name="sail") == 6
    assert run(sail, [], name="sail") == Exit.OK


def test_a_table_entry_that_is_no_command_is_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    group = LazyGroup("g", table={"x": ("os:getcwd", "X.")})
    assert run(group, ["x"], name="g") == Exit.FAILED
    assert "internal_fault" in capsys.readouterr().err
