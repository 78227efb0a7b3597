"""An embedded Seatrial: control and a cell for each hosted environment, on this machine.

The same processes, formats and checks as on many machines. What is made here by itself, once, is
what people make by hand there: a root key, a person's key, settings, enrolment, a keyring.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from seatrial.cli.servers.control import Control
from seatrial.cli.servers.peer import Peer
from seatrial.contract.documents import Document
from seatrial.contract.environments.profiles import HOSTED
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import (
    CellEntry,
    CellReplica,
    Keyring,
    Person,
    Role,
    open_keyring,
    sign_keyring,
)
from seatrial.contract.switch.access import Access, Reach, Signer
from seatrial.contract.switch.api import Enrolment, EnrolmentTokenRequest
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.errors import DatabaseInUse
from seatrial.kit.errors import Conflict, NotFound, TimedOut
from seatrial.kit.files import held, write_private
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import (
    AnswerBroken,
    CallTimedOut,
    HttpClient,
    PeerUnreachable,
    Request,
    Timeouts,
)
from seatrial.main.home import ADDRESS, Home, owner, toml
from seatrial.main.supervisor import Child, ProcessFailed

FIRST_PORT: Final = 8700
_LASTING: Final = range(11_000, 32_000)
_PATIENCE: Final = 60.0  # seconds for a process to serve, on a machine that is very busy
_GLANCE: Final = 0.02  # seconds between two looks
_GRACE: Final = 15.0  # seconds that a process has to end
_TOKEN: Final = "first.token"  # noqa: S105 - a file's name
_NOT_YET: Final = (PeerUnreachable, CallTimedOut, AnswerBroken)
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What processes inherit of this one's environment; a secret in it stays here."""


class StartTimedOut(TimedOut):
    """{what} did not serve within {seconds:g} s."""

    code = "start_timed_out"
    cause = "The machine is very busy, or the process waits for something that does not come."
    remedy = "Look at its log in the folder `.seatrial`, then try again."


class AccessLost(NotFound):
    """There is neither an access file nor {path!r}."""

    code = "access_lost"
    cause = "Processes keep tokens as hashes alone; `access.json` held the only copy of the first."
    remedy = "Restore `access.json`, or make first tokens anew as `docs/how-to/recover.md` tells."


class StartFixed(Conflict):
    """This system was started with {found}, not {wanted}."""

    code = "start_fixed"
    cause = "Environments, ports and the first rules of a folder are chosen at its first start."
    remedy = "Leave the option out, or use another folder; `environments profile` changes rules."


class Plan(Document):
    """What was chosen at the first start.

    Attributes:
        control: port of control.
        cells: port of each environment's cell, in the order of the path.
        profile: whose rules it started with.
    """

    control: int
    cells: dict[str, int]
    profile: Profile


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system that serves.

    Attributes:
        access: how to reach it.
        plan: what was chosen.
        first: this was its first start.
        children: its processes.
    """

    access: Access
    plan: Plan
    first: bool
    children: tuple[Child, ...]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asks a start for; what is left out does not matter.

    Attributes:
        environments: to host, in the order of the path.
        port: of control; each cell takes the next. 0 takes free ones.
        profile: whose rules to start with.
    """

    environments: tuple[str, ...] = ()
    port: int | None = None
    profile: Profile | None = None

    def plan(self) -> Plan:
        """What a first start chooses."""
        environments = self.environments or HOSTED
        count = len(environments) + 1
        first = FIRST_PORT if self.port is None else self.port
        control, *cells = _free_ports(count) if first == 0 else range(first, first + count)
        return Plan(
            control=control,
            cells=dict(zip(environments, cells, strict=True)),
            profile=self.profile or Profile.SOLO,
        )

    def refuse_other(self, plan: Plan) -> None:
        """Raise `StartFixed` where `plan` is another than is wanted."""
        wanted = (
            (self.environments, tuple(plan.cells)),
            (self.port or None, plan.control),
            (self.profile, plan.profile),
        )
        for asked, found in wanted:
            if asked and asked != found:
                raise StartFixed(found=_told(found), wanted=_told(asked))


@contextlib.asynccontextmanager
async def running(
    home: Home, wanted: Wanted, *, say: Callable[[str], None]
) -> AsyncIterator[Running]:
    """The system of `home`, up until the block ends.

    Args:
        home: its folder; made if missing.
        wanted: chosen at a first start; later it can only be the same.
        say: is told what is being done.

    Raises:
        FolderInUse: it runs already.
        StartFixed: it was started with something else.
        ProcessFailed: a process ended instead of serving.
        StartTimedOut: a process does not serve.
    """
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home.path / ".gitignore").write_text("*\n", encoding="ascii")
    with held(home.lock):
        plan = settled(home, wanted)
        first = not home.access.exists()
        write_settings(home, plan)
        control = _child("control", home.control, "control", home)
        cells = {name: _child(name, home.cell(name), "cell", home) for name in plan.cells}
        started: list[Child] = []
        try:
            async with aiohttp_client() as client:
                starting = [control] if first else [control, *cells.values()]
                for child in starting:
                    started.append(child)
                    await child.start()
                say("starting control")
                await serving(client, control, plan.control)
                if first:
                    say(f"enrolling {' and '.join(plan.cells)}")
                    await _make_room(home, client, plan)
                    for child in cells.values():
                        started.append(child)
                        await child.start()
                access = await _introduce(home, client, plan, cells)
                for name, child in cells.items():
                    await serving(client, child, plan.cells[name])
            yield Running(access=access, plan=plan, first=first, children=tuple(started))
        finally:
            await _end(started)


async def _end(started: Sequence[Child]) -> None:
    """Cells first: they say their last word to control."""
    await asyncio.gather(*(child.stop(_GRACE) for child in started[1:]))
    for child in started[:1]:
        await child.stop(_GRACE)


def settled(home: Home, wanted: Wanted) -> Plan:
    """What was chosen, or is now. Nothing is settled before a first start has come to its end."""
    try:
        known = Plan.read(orjson.loads(home.state.read_bytes()))
    except FileNotFoundError:
        known = None
    if known is not None and (home.access.exists() or wanted == Wanted()):
        wanted.refuse_other(known)
        return known
    plan = wanted.plan()
    for folder in (home.control, *map(home.cell, plan.cells)):
        home.settings(folder).unlink(missing_ok=True)  # they hold the ports chosen before
    write_private(home.state, orjson.dumps(plan.document()))
    return plan


def write_settings(home: Home, plan: Plan) -> None:
    """A first start's keys and settings; what is there already stays as it is."""
    folders = (home.control, *map(home.cell, plan.cells))
    if all(home.settings(folder).exists() for folder in folders):
        return  # a root key that was moved off is not made anew: nobody would trust that one
    root = keyfiles.load_or_create(SigningKey, home.root_key).verify_key.id
    keyfiles.load_or_create(SigningKey, home.person_key)
    _put(
        home.settings(home.control),
        {
            "database": {"url": f"sqlite:///{home.control / 'control.db'}"},
            "http": {"host": "127.0.0.1", "port": plan.control},
            "control": {
                "directory": home.control,
                "roots": [root],
                "profile": plan.profile.value,
                "embedded": True,
            },
        },
    )
    for name, port in plan.cells.items():
        folder = home.cell(name)
        _put(
            home.settings(folder),
            {
                "database": {"url": f"sqlite:///{folder / 'cell.db'}"},
                "http": {"host": "127.0.0.1", "port": port},
                "cell": {
                    "name": name,
                    "environment": name,
                    "directory": folder,
                    "control": f"http://127.0.0.1:{plan.control}",
                    "url": f"http://{name}.localhost:{port}",
                    "roots": [root],
                    "profile": plan.profile.value,
                },
            },
        )


def _put(path: Path, tables: dict[str, dict[str, object]]) -> None:
    """Write a settings file once: later it is its owner's to change."""
    if not path.exists():
        write_private(path, toml(tables).encode())


def _child(name: str, folder: Path, command: str, home: Home) -> Child:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Child(
        name=name,
        arguments=(command, "--settings", str(home.settings(folder))),
        log=home.log(folder),
        environment={key: os.environ[key] for key in _KEPT if key in os.environ}
        | {key: value for key, value in os.environ.items() if key.startswith("SEATRIAL_DEBUG__")},
    )


async def serving(client: HttpClient, child: Child, port: int, patience: float = _PATIENCE) -> None:
    """Return when `child` serves on `port`.

    Raises:
        ProcessFailed: it ended instead. One that finds its database in use is started again until
            `patience` is over: it may be the process of an `up` that was killed, which ends soon.
        StartTimedOut: it does neither.
    """
    clock = SystemClock()
    last = clock.steady() + patience
    failure: ProcessFailed | None = None
    request = Request(
        url=f"http://127.0.0.1:{port}/readyz", timeouts=Timeouts(first_byte=5, total=5)
    )
    while clock.steady() < last:
        failure = _trouble(child)
        with contextlib.suppress(*_NOT_YET):
            async with client.send(request) as response:
                if response.status == 200 and child.listens:
                    return  # else somebody else answers at this port
        await clock.sleep(_GLANCE)
    raise failure or StartTimedOut(what=child.name, seconds=patience)


def _trouble(child: Child) -> ProcessFailed | None:
    """Why `child` does not serve, if that may pass; raises it if it will not.

    A death counts though it was started again since: nobody may have looked in between.
    """
    failure = child.failure() if child.status is not None else child.died
    if failure is None or (child.status is None and child.listens):
        return None
    if f"error {DatabaseInUse.code}:" not in failure.message:
        raise failure
    return failure


async def _make_room(home: Home, client: HttpClient, plan: Plan) -> None:
    """Fetch the first token of control, and a one-use token for each cell."""
    control = _control(home, client, plan)
    for name in plan.cells:
        wanted = EnrolmentTokenRequest(cell=name, environment=name)
        invited = await control.enrol(wanted)
        write_private(home.cell(name) / "enrolment.token", invited.token.encode())


def _control(home: Home, client: HttpClient, plan: Plan) -> Control:
    token = _known(home).control.token if home.access.exists() else _first(home.control)
    url = f"http://127.0.0.1:{plan.control}"
    return Control(peer=Peer(name="control", url=url, token=token, client=client))


def _known(home: Home) -> Access:
    return Access.read(orjson.loads(home.access.read_bytes()))


def _first(folder: Path) -> str:
    path = folder / _TOKEN
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise AccessLost(path=str(path)) from None


async def _introduce(home: Home, client: HttpClient, plan: Plan, cells: dict[str, Child]) -> Access:
    """See to it that the keyring names every cell of ours, and write down how to reach them."""
    control = _control(home, client, plan)
    enrolled = ours(home, await _enrolled(control, cells))
    if not all(each.listed for each in enrolled):
        await _sign_keyring(home, control, enrolled)
    access = _known(home) if home.access.exists() else await _reached(home, client, plan, cells)
    for folder in (home.control, *map(home.cell, plan.cells)):
        (folder / _TOKEN).unlink(missing_ok=True)
    return access


async def _reached(home: Home, client: HttpClient, plan: Plan, cells: dict[str, Child]) -> Access:
    """How to reach everything, written down."""
    for name, child in cells.items():
        await serving(client, child, plan.cells[name])
    reach = Reach(url=f"http://127.0.0.1:{plan.control}", token=_first(home.control))
    access = Access(
        control=reach,
        environments={
            name: Reach(url=f"http://{name}.localhost:{port}", token=_first(home.cell(name)))
            for name, port in plan.cells.items()
        },
        person=Signer(name=owner(), key_file=str(home.person_key.relative_to(home.path))),
    )
    write_private(home.access, orjson.dumps(access.document(), option=orjson.OPT_INDENT_2))
    return access


async def _enrolled(control: Control, cells: dict[str, Child]) -> tuple[Enrolment, ...]:
    clock = SystemClock()
    last = clock.steady() + _PATIENCE
    while clock.steady() < last:
        found = await control.enrolments()
        if cells.keys() <= {each.cell for each in found}:
            return found
        for child in cells.values():
            _trouble(child)
        await clock.sleep(_GLANCE)
    raise StartTimedOut(what="enrolment", seconds=_PATIENCE)


def ours(home: Home, enrolled: Sequence[Enrolment]) -> tuple[Enrolment, ...]:
    """Those of `enrolled` that the processes in the folders of our cells say they are.

    Nothing else is signed for unasked: whoever has an administrator's token lets processes in, and
    control's database can be edited. `seatrial keys sign` takes in others, by somebody who looks.
    """
    return tuple(each for each in enrolled if _is_own(home, each))


def _is_own(home: Home, enrolment: Enrolment) -> bool:
    if enrolment.cell != enrolment.environment:
        return False
    try:
        told = orjson.loads((home.cell(enrolment.cell) / ADDRESS).read_bytes())
    except (OSError, ValueError):
        return False
    return (enrolment.signing, enrolment.sealing) == (told.get("signing"), told.get("sealing"))


async def _sign_keyring(home: Home, control: Control, enrolled: Sequence[Enrolment]) -> None:
    """Sign a keyring in which these processes and this machine's owner are."""
    root = keyfiles.load(SigningKey, home.root_key)
    envelope = await control.keyring()
    present = (
        None if envelope is None else open_keyring(envelope, roots=(root.verify_key,), at_least=1)
    )
    us = Person(
        name=owner(),
        key=keyfiles.load(SigningKey, home.person_key).verify_key.id,
        roles=(Role.AUTHOR, Role.RELEASER),
    )
    listed = () if present is None else present.people
    keyring = Keyring(
        version=1 if present is None else present.version + 1,
        control=(await control.keys()).control,
        cells=with_cells(() if present is None else present.cells, enrolled),
        people=(us, *(each for each in listed if each.key != us.key)),
    )
    await control.put_keyring(sign_keyring(keyring, root))


def with_cells(
    present: Sequence[CellEntry], enrolled: Sequence[Enrolment]
) -> tuple[CellEntry, ...]:
    """The cells that are listed already, and these processes."""
    entries = {entry.name: entry for entry in present}
    for each in enrolled:
        replica = CellReplica(signing=each.signing, sealing=each.sealing)
        known = entries.get(each.cell)
        before = () if known is None else known.replicas
        entries[each.cell] = CellEntry(
            name=each.cell,
            environment=each.environment,
            region=each.region,
            replicas=(*(one for one in before if one != replica), replica),
        )
    return tuple(entries[name] for name in sorted(entries))


def _told(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody holds, and that no kernel lends to a connection (Linux: from 32,768 up).

    They are this system's for good, held or not: one that is lent to somebody's connection while a
    process of ours is down keeps that process from coming back.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", secrets.choice(_LASTING)))
                found.append(probe.getsockname()[1])
    return found
