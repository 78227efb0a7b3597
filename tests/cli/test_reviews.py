"""What people are asked, and how they answer."""

from pathlib import Path
from typing import Any

import pytest

from seatrial.kit.errors import Exit
from tests.cli.conftest import Command
from tests.cli.fake import AT, Fake


def _asked(**more: Any) -> dict[str, Any]:
    return {
        "run": "run_1",
        "seq": 7,
        "agent": "support",
        "release_name": "support@3",
        "action": "refund",
        "asks": "approval",
        "arguments": {"order": "W1", "cents": 500},
        "since": AT.isoformat(),
        **more,
    }


def test_what_is_asked_is_listed(fake: Fake, command: Command) -> None:
    said = command("reviews")
    assert (said.code, said.out, said.err) == (Exit.OK, "", "staging\nnothing is asked\n")
    fake.reviews = [_asked(), _asked(seq=9, asks="outcome", arguments=None)]
    said = command("reviews", "--env", "production")
    first, second = said.out.splitlines()[1:]
    assert first.split()[:5] == ["run_1", "7", "support@3", "refund", "approval"]
    assert "'cents': 500" in first
    assert second.split()[1:5] == ["9", "support@3", "refund", "outcome"]
    said = command("reviews", "--limit", "1", "--json")
    assert [each["seq"] for each in said.json["reviews"]] == [7]


def test_arguments_cannot_drive_the_terminal(fake: Fake, command: Command) -> None:
    fake.reviews = [_asked(action="refund\x1b[2J", arguments={"order": "\x1b[31mW1"})]
    assert "\x1b" not in command("reviews").out


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (("approve",), {"reason": ""}),
        (("reject", "--reason", "too much"), {"reason": "too much"}),
        (("reviews", "approve"), {"reason": ""}),
        (("reviews", "reject"), {"reason": ""}),
        (("reviews", "happened", "--value", '{"t": 1}'), {"reason": "", "value": {"t": 1}}),
        (("reviews", "happened"), {"reason": "", "value": None}),
        (("reviews", "not-happened", "--reason", "not there"), {"reason": "not there"}),
    ],
)
def test_an_answer_goes_to_the_call_that_is_named(
    fake: Fake, command: Command, line: tuple[str, ...], body: dict[str, Any]
) -> None:
    fake.reviews = [_asked()]
    said = command(*line, "run_1", "7")
    verb = line[0] if line[0] != "reviews" else line[1]
    assert (said.code, said.out) == (Exit.OK, f"{verb}: run_1 call 7; the run is queued\n")
    assert fake.asked == [("POST", f"/v1/reviews/run_1/7/{verb}", body)]


def test_a_call_that_nobody_asks_about_is_refused(fake: Fake, command: Command) -> None:
    fake.reviews = [_asked()]
    assert command("approve", "run_1", "8").code == Exit.NOT_FOUND
    assert command("approve", "run_1", "seven").code == Exit.USAGE
    assert command("approve", "run_1").code == Exit.USAGE
    assert len(fake.reviews) == 1


@pytest.mark.usefixtures("fake")
def test_a_deploy_tells_what_the_cell_performs_and_what_the_agent_runs_by_itself(
    command: Command, project: Path
) -> None:
    with (project / "seatrial.toml").open("a") as file:
        file.write(
            '[actions.refund]\neffect = "irreversible"\nreview = "always"\nconnector = "desk"\n'
            'input = { type = "object" }\nhttp = { path = "/refunds" }\n'
            '[actions.sum]\npure = true\ninput = { type = "object" }\n'
        )
    said = command("deploy")
    assert said.code == Exit.OK
    assert "actions: refund (irreversible, reviewed)\n" in said.err
    assert "run by the agent itself, declared to have no effect: sum\n" in said.err
