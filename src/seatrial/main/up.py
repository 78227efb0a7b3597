"""`seatrial up`: a whole system on this machine, with nothing installed."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Final

import click
import orjson

from seatrial.contract.environments.profiles import PATH, EnvironmentUnknown
from seatrial.contract.environments.rules import Profile
from seatrial.kit.clock import SystemClock
from seatrial.kit.errors import Failed
from seatrial.kit.files import FolderInUse
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.server import ended_by_signals, run
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.main.down import folder_option, holder
from seatrial.main.embedded import FIRST_PORT, Plan, Running, Wanted, running
from seatrial.main.home import Home

_PATIENCE: Final = 90.0  # seconds
_GLANCE: Final = 0.05


class DetachFailed(Failed):
    """The system did not start: {last}."""

    code = "detach_failed"
    cause = "It ended before it served; the whole of what it said is in `up.log`."
    remedy = "Mend what the line says, or run `seatrial up` without --detach to watch it."


@click.command()
@folder_option
@click.option(
    "--port",
    type=click.IntRange(0, 65_500),
    show_default=str(FIRST_PORT),
    help="Of control; each cell takes the next. 0 takes free ones. First start only.",
)
@click.option(
    "--env", "environments", multiple=True, help="An environment to host. First start only."
)
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    show_default=Profile.SOLO.value,
    help="Whose rules to start with. First start only.",
)
@click.option("--detach", is_flag=True, help="Go on in the background; end it with `down`.")
@json_option
def up(
    folder: Path,
    port: int | None,
    environments: tuple[str, ...],
    profile: str | None,
    *,
    detach: bool,
    as_json: bool,
) -> None:
    """Start control and a cell for each environment, and keep them up until Ctrl-C.

    The first start makes everything that is needed: databases, keys, tokens, settings. Later starts
    go on where the last one ended.

    \b
    Examples:
      seatrial up
      seatrial up --detach --port 0
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    home = Home(path=folder.absolute())
    wanted = Wanted(
        environments=_ordered(environments),
        port=port,
        profile=None if profile is None else Profile(profile),
    )
    if detach:
        _detached(home, wanted)
        _tell_detached(home, as_json=as_json)
        return
    run(lambda: _up(home, wanted, as_json=as_json))


async def _up(home: Home, wanted: Wanted, *, as_json: bool) -> None:
    lifetime, started = Lifetime(), list[str]()
    with ended_by_signals(lifetime):
        serving = asyncio.ensure_future(_serve(home, wanted, lifetime, started, as_json=as_json))
        told = asyncio.ensure_future(lifetime.told_to_end())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not serving.done() and not started:
            serving.cancel()  # told to end while it was starting
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(
    home: Home, wanted: Wanted, lifetime: Lifetime, started: list[str], *, as_json: bool
) -> None:
    clock = SystemClock()
    began = clock.steady()
    async with running(home, wanted, say=_say) as system:
        started.extend(child.name for child in system.children)
        if as_json:
            answer_json(_summary(home, system.plan))
        else:
            _welcome(home, system, clock.steady() - began)
        await lifetime.told_to_end()
        _say("ending")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _summary(home: Home, plan: Plan) -> dict[str, object]:
    return {
        "control": f"http://127.0.0.1:{plan.control}",
        "environments": {
            name: f"http://{name}.localhost:{port}" for name, port in plan.cells.items()
        },
        "profile": plan.profile.value,
        "access": str(home.access),
    }


def _welcome(home: Home, system: Running, seconds: float) -> None:
    plan = system.plan
    rows = [("control", f"http://127.0.0.1:{plan.control}")]
    rows += [(name, f"http://{name}.localhost:{port}") for name, port in plan.cells.items()]
    click.echo(table(("serving", "at"), rows))
    click.echo("")
    if system.first:
        click.echo(f"first token   {system.access.control.token}")
        click.echo(f"              kept in {home.access} for the commands; it may do everything")
    click.echo(f"profile       {plan.profile}: {_PROFILES[plan.profile]}")
    click.echo(f"up in {seconds:.1f} s; Ctrl-C ends it")


_PROFILES: Final = {
    Profile.SOLO: "one person may promote after one succeeded run in staging",
    Profile.TEAM: "somebody other than the author promotes, after a soak",
}


def _ordered(environments: tuple[str, ...]) -> tuple[str, ...]:
    for name in environments:
        if name not in PATH:
            raise EnvironmentUnknown(name=name)
    return tuple(name for name in PATH if name in environments)


def _detached(home: Home, wanted: Wanted) -> None:
    pid = holder(home)
    if pid is not None:
        raise FolderInUse(path=str(home.path), holder=f"process {pid}")
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    asked = [part for name in wanted.environments for part in ("--env", name)]
    if wanted.port is not None:
        asked += ("--port", str(wanted.port))
    if wanted.profile is not None:
        asked += ("--profile", wanted.profile.value)
    log = home.path / "up.log"
    with private_log(log) as said:
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "seatrial.main", "up", "--folder", str(home.path)),
                *asked,
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=dict(os.environ),
            start_new_session=True,
        )
    asyncio.run(_wait_for(child, log))


def private_log(path: Path) -> BinaryIO:
    """A fresh file at `path` for its owner alone: the first token is shown in it."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


async def _wait_for(child: "subprocess.Popen[bytes]", log: Path) -> None:
    clock = SystemClock()
    last = clock.steady() + _PATIENCE
    while clock.steady() < last:
        said = _said(log)
        if "Ctrl-C ends it" in said:
            return
        if child.poll() is not None:
            errors = [line for line in said.splitlines() if line.startswith("error ")]
            told = (errors or said.splitlines() or ["it said nothing"])[-1]
            raise DetachFailed(last=told.rstrip("."))
        await clock.sleep(_GLANCE)
    raise DetachFailed(last=f"it did not serve within {_PATIENCE:g} s")


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _tell_detached(home: Home, *, as_json: bool) -> None:
    said = _said(home.path / "up.log")
    if as_json:
        answer_json(_summary(home, Plan.read(orjson.loads(home.state.read_bytes()))))
        return
    shown = said[said.index("serving") :] if "serving" in said else said
    click.echo(shown.replace("Ctrl-C ends it", "`seatrial down` ends it").rstrip())
