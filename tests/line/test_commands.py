"""The line by its commands: from nothing to production and back, and through every death."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.kit.errors import Exit
from tests.line.command import Place, lives, place
from tests.line.processes import wait_until

_PRODUCTION = ("--env", "production", "--json")
pytestmark = pytest.mark.timeout(600)


def _control_port(here: Place) -> str:
    access = json.loads((here.state / "access.json").read_text())
    return str(access["control"]["url"].rpartition(":")[2])


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made


def test_an_agent_goes_from_nothing_to_production_and_back(here: Place) -> None:  # noqa: PLR0915
    here.done("init", ".", "--no-input")
    here.done("up", "--detach", "--port", "0")
    here.done("deploy")
    refused = here.call("promote", "--yes")
    assert refused.code == Exit.GATE_FAILED, refused
    assert "gates_unmet" in refused.err
    assert here.call("promote", "--why-not").code == Exit.GATE_FAILED
    unknown = here.call("invoke", "support", "hi", "--env", "production")
    assert (unknown.code, "nothing_active" in unknown.err) == (Exit.NOT_FOUND, True), unknown

    ran = here.done("invoke", "support", "my parcel is late", "--env", "staging", "--json").json
    assert ran["output"] == {"team": "delivery", "urgency": "normal"}

    def unblocked() -> dict[str, Any]:
        said: dict[str, Any] = here.done("promote", "--dry-run", "--json").json
        return {} if said["blocked"] else said

    planned = wait_until(unblocked, "the staging run to count")
    assert [change["after"] for change in planned["changes"]] == ["support@1"]
    assert here.done("status", "--json").json["environments"][1].get("current") is None
    assert here.done("promote", "--yes", "--json").json["generation"] == 1
    assert here.call("promote", "--yes", "--json").json["state"] == "unchanged"

    agent = here.folder / "agent.py"
    agent.write_text(agent.read_text().replace('"support")', '"nobody")'))
    assert here.done("deploy", "--json").json["release"] == "support@2"
    here.done("invoke", "support", "hello", "--env", "staging")
    wait_until(lambda: here.call("promote", "--yes").code == 0, "the second release to be taken")
    answer = here.done("invoke", "support", "hello", *_PRODUCTION).json
    assert (answer["release_name"], answer["output"]["team"]) == ("support@2", "nobody")

    assert here.done("rollback", "--yes", "--json").json["generation"] == 3
    assert here.done("invoke", "support", "hello", *_PRODUCTION).json["release_name"] == "support@1"
    assert here.done("rollback", "--to", "2", "--yes", "--json").json["generation"] == 4
    answer = here.done("invoke", "support", "hello", *_PRODUCTION).json
    assert (answer["release_name"], answer["generation"]) == ("support@2", 4)
    run = answer["id"]
    here.done("runs", "outcome", run, "resolved", "--env", "production")
    receipt = here.done("runs", "show", run, "--env", "production", "--json").json
    assert "resolved" in str(receipt)
    assert "support@2" in str(receipt)

    here.done("down")
    assert here.supervisor is None
    assert not here.children
    here.done("up", "--detach")
    row = here.done("status", "--json").json["environments"]
    assert {each["environment"]: each["current"]["generation"] for each in row} == {
        "staging": 2,
        "production": 4,
    }
    assert here.done("invoke", "support", "hello", *_PRODUCTION).json["release_name"] == "support@2"


def test_what_dies_is_started_again_and_what_is_in_the_way_is_named(here: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = here.call("up", "--port", port)
        assert said.code != 0
        assert port in said.err, said
        assert "remedy:" in said.err
        assert not here.children
    for path in sorted(here.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    here.done("init", ".", "--no-input")
    here.done("up", "--detach", "--port", "0")
    port = _control_port(here)
    with place("other") as other:
        said = other.call("up", "--port", port)
        assert said.code != 0
        assert port in said.err, said  # though a control answers there: it is another's
    second = here.call("up")
    assert (second.code, "folder_in_use" in second.err) == (Exit.CONFLICT, True), second
    assert here.call("up", "--detach").code == Exit.CONFLICT
    here.done("deploy")

    before = here.children
    assert set(before) == {"control", "staging", "production"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: (
            set(here.children) == set(before) and here.children.items().isdisjoint(before.items())
        ),
        "all to be started again",
    )
    wait_until(
        lambda: here.call("invoke", "support", "x", "--env", "staging").code == 0,
        "staging to serve again",
    )
    assert wait_until(lambda: here.call("status").code == 0, "control to serve again")

    supervisor, children = here.supervisor, here.children
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_until(
        lambda: not any(map(lives, children.values())), "the children to follow their supervisor"
    )
    here.done("up", "--detach")
    answer = here.done("invoke", "support", "x", "--env", "staging", "--json").json
    assert answer["release_name"] == "support@1"
