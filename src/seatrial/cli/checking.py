"""The check after a deploy: one run of the release, which must end well and without a warning."""

import uuid
from typing import Final

from seatrial.cli.servers.cell import Cell
from seatrial.cli.talk import say
from seatrial.cli.waiting import Row, had, how
from seatrial.contract.releases.release import Release
from seatrial.contract.runs.states import RunState
from seatrial.kit.errors import GateFailed

_TAGS: Final = {"purpose": "deploy-check"}
_NEVER_THERE: Final = "never_at_the_door"


class DeployCheckFailed(GateFailed):
    """{release} is active in {environment!r}, but its check failed in run {run!r}: {reason}."""

    code = "deploy_check_failed"
    cause = "The run failed, ended on another release, or its receipt has a warning."
    remedy = "Read it with `seatrial runs show`, mend the agent and deploy again."


async def check(cell: Cell, built: Release, name: str, given: object, environment: str) -> None:
    """Run what was deployed once, to its end.

    Args:
        cell: where it is active.
        built: the release.
        name: its short name.
        given: the run's input.
        environment: of the cell, for the refusal.

    Raises:
        DeployCheckFailed: it did not succeed, or not without a warning.
    """
    key = f"deploy-check-{uuid.uuid4()}"
    run = await had(cell, built.manifest.agent, given, key, tags=_TAGS)
    receipt = await cell.receipt(str(run["id"]))
    if reason := _amiss(receipt, built):
        raise DeployCheckFailed(
            release=name, environment=environment, run=str(run["id"]), reason=reason
        )
    say(f"checked by {run['id']}: it succeeded, with {len(receipt['journal'])} calls")


def _amiss(receipt: Row, built: Release) -> str:
    """What is wrong with a run; empty where nothing is."""
    if receipt["state"] != RunState.SUCCEEDED:
        return f"it {how(receipt)}"
    if receipt["release"]["digest"] != str(built.name):
        return f"it ran on {receipt['release']['name']}"
    # A release without models and actions has nothing to ask its cell for.
    asks = bool(built.models or built.tools)
    return "; ".join(
        f"{each['code']}: {each['message']}"
        for each in receipt["warnings"]
        if asks or each["code"] != _NEVER_THERE
    )
