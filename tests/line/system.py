"""A whole system of real processes: control, staging, cells of production, on either database.

Every process is what `seatrial control` and `seatrial cell` start; keys, enrolment and keyring are
made as people make them. What a test does to it, it does from outside.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from seatrial.cli.reaching import Reached
from seatrial.cli.servers.cell import Cell
from seatrial.cli.servers.peer import Answer, Peer
from seatrial.cli.switching import everywhere, ordered, planned, started
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import (
    CellEntry,
    CellReplica,
    Keyring,
    Person,
    Role,
    sign_keyring,
)
from seatrial.contract.evidence.statements import Provenance, Verb, instant
from seatrial.contract.switch.access import Access, Reach, Signer
from seatrial.contract.switch.api import (
    DeployRequest,
    EnrolmentTokenRequest,
    GenerationRow,
    Plan,
    PlanRequest,
    ReleaseRow,
)
from seatrial.contract.switch.requests import RollbackRequest
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto import dsse, keyfiles
from seatrial.kit.crypto.canonical import parse_canonical
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import SeatrialError
from seatrial.kit.files import write_private
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.calls import Client
from seatrial.kit.http.client import Request, Timeouts
from tests.line import agents
from tests.line.processes import PATIENCE, Died, Process, free_ports
from tests.servers import postgres

PERSON: Final = "ada"
GLANCE: Final = 0.02
REGIONS: Final = ("eu", "us", "ap", "sa")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a system is made of.

    Attributes:
        production: cells of production.
        processes: of each cell; more than one needs PostgreSQL.
        controls: processes of control; likewise.
        database: `sqlite` or `postgresql`.
        profile: whose rules hold.
        control, cell: further settings of theirs, by table.
    """

    production: int = 1
    processes: int = 1
    controls: int = 1
    database: str = "sqlite"
    profile: Profile = Profile.SOLO
    control: dict[str, dict[str, Any]] = field(default_factory=dict)
    cell: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, str]:
        """Environment by cell."""
        names = ("production", *(f"production-{region}" for region in REGIONS))
        return {"staging": "staging"} | dict.fromkeys(names[: self.production], "production")


@dataclass(kw_only=True)
class System:
    """A system that runs.

    Attributes:
        folder: everything of it.
        shape: what it is made of.
        controls: processes of control.
        cells: processes by the cell's name.
        root: the root key.
        person: the key of who deploys and promotes.
        client: makes calls.
    """

    folder: Path
    shape: Shape
    controls: list[Process]
    cells: dict[str, list[Process]]
    root: SigningKey
    person: SigningKey
    client: Client
    access: Access
    people: tuple[Person, ...]
    databases: dict[str, str]
    _deployed: int = 0

    @property
    def access_file(self) -> Path:
        """For the commands."""
        return self.folder / ".seatrial" / "access.json"

    @property
    def processes(self) -> Iterator[Process]:
        """All of them."""
        yield from self.controls
        for each in self.cells.values():
            yield from each

    @property
    def reached(self) -> Reached:
        """As a command reaches it; the first process of control, the first cell of each."""
        return self.by(0)

    def by(self, control: int) -> Reached:
        """By that process of control."""
        there = Reach(url=self.controls[control].url, token=self.access.control.token)
        access = self.access.model_copy(update={"control": there})
        return Reached(path=self.access_file, access=access, client=self.client)

    def cell(self, name: str, process: int = 0) -> Cell:
        """The front door of one process of a cell."""
        environment = self.shape.cells[name]
        token = self.tokens[name]
        url = self.cells[name][process].url
        return Cell(peer=Peer(name=environment, url=url, token=token, client=self.client))

    @property
    def tokens(self) -> dict[str, str]:
        """First token by cell."""
        found: dict[str, str] = json.loads((self.folder / "tokens.json").read_text())
        return found

    def tails(self) -> str:
        """The ends of all logs, for a failure."""
        return "\n".join(each.tail() for each in self.processes)

    # --- The line --------------------------------------------------------------------------------

    async def deploy(self, source: str = agents.ECHO, **project: Any) -> ReleaseRow:
        """A new release of an agent, active in staging."""
        self._deployed += 1
        version = project.pop("version", str(self._deployed))
        folder = agents.project(self.folder / "project", source, version=version, **project)
        row = await self.hand_in(folder)
        slug = row.agent
        asked = PlanRequest(verb=Verb.DEPLOY, agents={slug: str(row.release)})
        await self.carried_out("staging", asked)
        return row

    async def hand_in(self, folder: Path) -> ReleaseRow:
        """The release of the project in `folder`, known to control."""
        built = await asyncio.to_thread(agents.built, folder)
        control = self.reached.control
        for digest in await control.missing(tuple(built.release.blobs)):
            await control.upload(digest, built.blob(digest))
        slug = built.release.manifest.agent
        origin = Provenance(agent=slug, commit="", dirty=False, at=instant(SystemClock().now()))
        signed = origin.signed(built.release.name, slug, self.person)
        return await control.deploy(
            DeployRequest(release=built.release.document(), provenance=signed.decode())
        )

    async def plan(self, environment: str, asked: PlanRequest, *, control: int = 0) -> Plan:
        """What would happen; it must be something."""
        plan = await planned(self.by(control), environment, asked)
        if plan is None:
            raise AssertionError(f"nothing to change in {environment}")
        return plan

    async def order(
        self,
        environment: str,
        asked: PlanRequest,
        *,
        exclude: tuple[str, ...] = (),
        control: int = 0,
    ) -> GenerationRow:
        """Plan, sign, order; the generation as it began."""
        plan = await self.plan(environment, asked, control=control)
        answer = await ordered(self.by(control), plan, exclude=exclude)
        return started(environment, answer)

    async def carried_out(
        self, environment: str, asked: PlanRequest, *, exclude: tuple[str, ...] = ()
    ) -> GenerationRow:
        """The same, once it is active in every required cell."""
        row = await self.order(environment, asked, exclude=exclude)
        return await self.everywhere(row)

    async def everywhere(self, row: GenerationRow, *, control: int = 0) -> GenerationRow:
        """The generation, once it is active in every required cell."""
        return await everywhere(self.by(control), row, seconds=2 * PATIENCE, tell=lambda _: None)

    async def promote(self, **options: Any) -> GenerationRow:
        """Staging's releases, active in production."""
        return await self.carried_out("production", PlanRequest(verb=Verb.PROMOTE), **options)

    async def rollback(self, to: int | None = None) -> GenerationRow:
        """An earlier generation's, on the token's permission alone."""
        row = await self.reached.control.rollback("production", RollbackRequest(to=to))
        return await self.everywhere(row)

    async def soaked(self, agent: str = "support", data: Any = "hi") -> None:
        """One succeeded run in staging that control has heard of, so that production takes it."""
        answer = await self.run("staging", agent, data)
        assert answer.value["state"] == "succeeded", answer.value

        async def met() -> bool:
            plan = await planned(self.reached, "production", PlanRequest(verb=Verb.PROMOTE))
            return plan is None or all(
                row.standing == "met" for row in plan.gates if row.gate != "signed_order"
            )

        await self.until(met, "the facts of staging to reach control")

    async def run(
        self,
        cell: str,
        agent: str = "support",
        data: Any = "hi",
        *,
        process: int = 0,
        headers: tuple[tuple[str, str], ...] = (),
        **body: Any,
    ) -> Answer:
        """One run."""
        return await self.cell(cell, process).start(agent, {"input": data, **body}, headers)

    # --- Looking ---------------------------------------------------------------------------------

    async def until(self, true: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Wait for the coroutine function `true` to return something true; that."""
        clock = SystemClock()
        last = clock.steady() + patience
        while True:
            found = await true()
            if found:
                return found
            if clock.steady() > last:
                raise AssertionError(f"waited {patience:g} s for {what}\n{self.tails()}")
            await asyncio.sleep(GLANCE)

    async def until_ready(self, *processes: Process) -> None:
        """Wait until each answers `/readyz` with 200."""
        for process in processes:

            async def ready(process: Process = process) -> bool:
                return await self._is_ready(process)

            await self.until(ready, f"{process.name} to serve")

    async def until_level(self, environment: str = "production") -> int:
        """Wait until nothing is under way, and every cell runs what is committed; its number."""

        async def level() -> tuple[int] | None:
            try:
                row = await self.row(environment)
            except SeatrialError:
                return None
            committed = 0 if row.current is None else row.current.generation
            if row.proposed is not None or any(each.current != committed for each in row.cells):
                return None
            return (committed,)

        found: tuple[int] = await self.until(level, f"{environment} to be level")
        return found[0]

    async def row(self, environment: str = "production") -> Any:
        """The environment as control shows it."""
        status = await self.reached.control.status()
        return next(each for each in status.environments if each.environment == environment)

    async def _is_ready(self, process: Process) -> bool:
        if not process.alive:
            raise Died(f"{process.name} ended\n{self.tails()}")
        request = Request(url=f"{process.url}/readyz", timeouts=Timeouts(first_byte=5, total=5))
        with contextlib.suppress(SeatrialError):
            async with self.client.send(request) as response:
                return response.status == 200
        return False

    # --- Setting up ------------------------------------------------------------------------------

    async def sign_keyring(self, *people: Person) -> None:
        """A keyring with all that enrolled, and these people besides."""
        control = self.reached.control
        enrolled = await control.enrolments()
        version = (await self.keyring()).version + 1 if await control.keyring() else 1
        cells = tuple(
            CellEntry(
                name=name,
                environment=environment,
                region=next(each.region for each in enrolled if each.cell == name),
                replicas=tuple(
                    CellReplica(signing=each.signing, sealing=each.sealing)
                    for each in enrolled
                    if each.cell == name
                ),
            )
            for name, environment in sorted(self.shape.cells.items())
        )
        self.people = (*self.people, *people)
        keyring = Keyring(
            version=version,
            control=(await control.keys()).control,
            cells=cells,
            people=self.people,
        )
        await control.put_keyring(sign_keyring(keyring, self.root))

    async def keyring(self) -> Keyring:
        """The one in force."""
        envelope = await self.reached.control.keyring()
        assert envelope is not None
        payload = dsse.Envelope.parse(envelope, dsse.LARGEST_ENVELOPE).payload
        return Keyring.read(parse_canonical(payload))

    async def start(self) -> None:
        """Start everything for the first time."""
        for each in self.controls:
            each.start()
            await self.until_ready(each)  # the first makes the key that all use
        first = (self.controls[0].folder / "first.token").read_text()
        self.access = self.access.model_copy(
            update={"control": Reach(url=self.controls[0].url, token=first)}
        )
        for name, processes in self.cells.items():
            for process in processes:
                wanted = EnrolmentTokenRequest(
                    cell=name,
                    environment=self.shape.cells[name],
                    region=process.tables["cell"]["region"],
                )
                invited = await self.reached.control.enrol(wanted)
                write_private(process.folder / "enrolment.token", invited.token.encode())
                process.start()
        count = sum(map(len, self.cells.values()))

        async def all_enrolled() -> bool:
            for each in self.processes:
                if not each.alive:
                    raise Died(f"{each.name} ended\n{self.tails()}")
            return len(await self.reached.control.enrolments()) == count

        await self.until(all_enrolled, "every process to be enrolled")
        await self.sign_keyring()
        await self.until_ready(*self.processes)
        tokens = {}
        for name, processes in self.cells.items():
            found = [each.folder / "first.token" for each in processes]
            tokens[name] = next(path.read_text() for path in found if path.exists())
        write_private(self.folder / "tokens.json", json.dumps(tokens).encode())
        environments = {
            self.shape.cells[name]: Reach(url=self.cells[name][0].url, token=token)
            for name, token in reversed(tokens.items())
        }
        self.access = self.access.model_copy(update={"environments": environments})
        write_private(self.access_file, json.dumps(self.access.document()).encode())


@contextlib.asynccontextmanager
async def system(
    shape: Shape | None = None, server: postgres.PostgresServer | None = None
) -> AsyncIterator[System]:
    """A system that runs until the block ends; nothing of it is left then.

    Args:
        shape: what it is made of.
        server: PostgreSQL that it may do with as it likes; None for the one that tests share.
    """
    shape = shape or Shape()
    folder = Path(tempfile.mkdtemp(prefix="line-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        databases = _databases(shape, folder, server, stack)
        root = keyfiles.load_or_create(SigningKey, folder / "root.pem")
        person = keyfiles.load_or_create(SigningKey, folder / ".seatrial" / "person.pem")
        controls, cells = _processes(shape, folder, databases, root)
        async with aiohttp_client() as client:
            made = System(
                folder=folder,
                shape=shape,
                controls=controls,
                cells=cells,
                root=root,
                person=person,
                client=client,
                access=Access(
                    control=Reach(url=controls[0].url, token="unknown"),
                    person=Signer(name=PERSON, key_file="person.pem"),
                ),
                people=(
                    Person(
                        name=PERSON, key=person.verify_key.id, roles=(Role.AUTHOR, Role.RELEASER)
                    ),
                ),
                databases=databases,
            )
            try:
                await made.start()
                yield made
            except BaseException as error:
                error.add_note(made.tails())
                raise
            finally:
                for each in made.processes:
                    each.kill()


def _databases(
    shape: Shape,
    folder: Path,
    server: postgres.PostgresServer | None,
    stack: contextlib.ExitStack,
) -> dict[str, str]:
    """URL by `control` or the cell's name."""
    names = ("control", *shape.cells)
    if shape.database == "sqlite":
        return {name: f"sqlite:///{folder / name / 'state.db'}" for name in names}
    server = server or postgres.shared()
    return {name: server.url(stack.enter_context(server.database())) for name in names}


def _processes(
    shape: Shape, folder: Path, databases: dict[str, str], root: SigningKey
) -> tuple[list[Process], dict[str, list[Process]]]:
    ports = iter(free_ports(shape.controls + len(shape.cells) * shape.processes))
    roots = [root.verify_key.id]
    controls = [
        _process(
            f"control-{number}" if number else "control",
            "control",
            folder / "control" if not number else folder / f"control-{number}",
            next(ports),
            {
                "database": {"url": databases["control"]},
                "control": {
                    "directory": folder / "control",
                    "roots": roots,
                    "profile": shape.profile.value,
                },
            },
            shape.control,
        )
        for number in range(shape.controls)
    ]
    cells: dict[str, list[Process]] = {}
    for name, environment in shape.cells.items():
        for number in range(shape.processes):
            own = folder / (name if not number else f"{name}-{number}x")
            port = next(ports)
            process = _process(
                own.name,
                "cell",
                own,
                port,
                {
                    "database": {"url": databases[name]},
                    "cell": {
                        "name": name,
                        "environment": environment,
                        "region": name.rpartition("-")[2] if "-" in name else "local",
                        "directory": own,
                        "control": controls[number % shape.controls].url,
                        "url": f"http://127.0.0.1:{port}",
                        "roots": roots,
                        "profile": shape.profile.value,
                    },
                },
                shape.cell,
            )
            cells.setdefault(name, []).append(process)
    return controls, cells


def _process(
    name: str,
    command: str,
    folder: Path,
    port: int,
    tables: dict[str, dict[str, Any]],
    more: dict[str, dict[str, Any]],
) -> Process:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tables["http"] = {"host": "127.0.0.1", "port": port, "shutdown_seconds": 5}
    for table, fields in more.items():
        tables.setdefault(table, {}).update(fields)
    return Process(name=name, command=command, folder=folder, tables=tables, port=port)
