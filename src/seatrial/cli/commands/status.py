"""`seatrial status`: environments, generations, lag, and how far agents are cut off."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import click

from seatrial.cli import showing
from seatrial.cli.reaching import Reached, access_option, reaching
from seatrial.cli.switching import lag, lagging
from seatrial.cli.talk import say
from seatrial.contract.switch.api import GenerationState, Status
from seatrial.kit.clock import SystemClock
from seatrial.kit.errors import (
    BadUpstream,
    Denied,
    NotFound,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from seatrial.kit.terminal.output import answer_json, json_option, table

_EVERY: Final = 1.0  # seconds between two looks of `--watch`
_PATIENCE: Final = 2.0  # seconds for a cell's own word: one that hangs must not hide the rest
_SILENT: Final = (BadUpstream, Denied, NotFound, TimedOut, Unauthenticated, Unavailable)
_HEAD: Final = (
    *("environment", "profile", "generation", "active"),
    *("cell", "runs", "isolation", "state"),
)


@click.command()
@click.option("--watch", is_flag=True, help="Show it anew each second, until Ctrl-C.")
@access_option
@json_option
def status(*, watch: bool, access: Path | None, as_json: bool) -> None:
    """Show what is active where, and which cells lag.

    \b
    Examples:
      seatrial status
      seatrial status --watch
      seatrial status --json | jq '.environments[].current.generation'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines

    async def use(servers: Reached) -> None:
        clock = SystemClock()
        while True:
            found = await servers.control.status()
            levels = await _isolation(servers)
            if watch and sys.stdout.isatty() and not as_json:
                click.clear()
            _show(found, levels, as_json=as_json)
            if not watch:
                return
            await clock.sleep(_EVERY)

    reaching(access, use)


async def _isolation(servers: Reached) -> dict[str, str]:
    """What each cell says of its own processes; `?` where it does not answer."""

    async def level(environment: str) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                told = (await servers.cell(environment).status()).get("isolation")
        except (*_SILENT, TimeoutError):
            return "?"
        if isinstance(told, dict):
            return showing.text(told, "label") or showing.text(told, "level") or "?"
        return showing.text({"level": told}, "level") or "-"

    names = tuple(servers.access.environments)
    return dict(zip(names, await asyncio.gather(*map(level, names)), strict=True))


def _show(found: Status, levels: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        answer_json(found.document() | {"isolation": levels})
        return
    rows = [row for each in found.environments for row in showing.environment(each, levels)]
    click.echo(table(_HEAD, rows))
    for each in found.environments:
        row = each.proposed or each.current
        if row is None:
            continue
        waiting = lagging(row)
        if waiting or row.state is GenerationState.PROPOSED:
            say(f"{each.environment}: generation {row.generation}, {lag(row, waiting)}")
    if found.embedded:
        say("embedded: proofs hold against edits, replay and remote callers, not against this "
            "machine's owner")  # fmt: skip
    if not found.keyring:
        say("no keyring yet: no signature counts")
