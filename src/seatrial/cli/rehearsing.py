"""Tries a release on a fixture: says what people said, and sees what it calls and answers."""

import uuid

from seatrial.cli.reaching import Reached
from seatrial.cli.servers.cell import Cell
from seatrial.cli.waiting import had, how
from seatrial.contract.runs.states import RunState
from seatrial.data.fixtures.domain import CallNotRecorded, Fixture, Outcome, ToolCall, texts


async def digest_of(servers: Reached, release: str | None) -> str | None:
    """The digest of a release that is given by name or digest: control alone knows the names."""
    if release is None or "@" not in release:
        return release
    row, _ = await servers.control.release(release)
    return str(row.release)


async def rehearse(cell: Cell, agent: str, fixture: Fixture, release: str | None) -> Outcome:
    """What a release of `agent` does with `fixture`.

    Each message is a run of one session, whose actions the cell answers from the fixture alone. It
    ends at the first run that does not succeed: the person would have said something else.

    Args:
        cell: before production.
        agent: whose release.
        fixture: what is tried.
        release: its digest; None for the one in force.
    """
    session = f"fixture-{uuid.uuid4().hex[:20]}"
    document = fixture.model_dump(mode="json")
    calls: list[ToolCall] = []
    said: list[str] = []
    failed: str | None = None
    for number, message in enumerate(fixture.messages, 1):
        more = {"session": session, "fixture": document} | ({"release": release} if release else {})
        run = await had(cell, agent, message, f"{session}-{number}", **more)
        release = str(run.get("release"))  # what comes into force meanwhile is not tried
        for each in await cell.actions(str(run["id"])):
            calls.append(ToolCall(tool=str(each["tool"]), arguments=each["arguments"]))
            if each.get("code") == CallNotRecorded.code:
                failed = failed or str(each.get("error"))
        if run.get("state") != RunState.SUCCEEDED:
            failed = failed or f"run {number} {how(run)}"
            break
        said += texts([run.get("output")])
    return Outcome(release=str(release), calls=tuple(calls), said=tuple(said), failed=failed)
