"""Control's rooms up to promotions on a real database, with people, cells and their keys."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import (
    CellEntry,
    CellReplica,
    Keyring,
    Person,
    Role,
    sign_keyring,
)
from seatrial.contract.evidence.statements import (
    CellReport,
    Order,
    Proposal,
    RunFacts,
    Step,
    Verb,
)
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release
from seatrial.contract.switch.api import (
    DeployRequest,
    EnrolmentTokenRequest,
    EnrolRequest,
    GenerationRow,
    OrderAnswer,
    OrderRequest,
    Permission,
    Plan,
    PlanRequest,
)
from seatrial.contract.switch.desired import Desired, Ordered
from seatrial.control.catalog import store as catalog_tables
from seatrial.control.catalog.blobs import FolderBlobs
from seatrial.control.catalog.service import Catalog
from seatrial.control.environments import store as environment_tables
from seatrial.control.environments.service import Environments
from seatrial.control.identity import store as identity_tables
from seatrial.control.identity.domain import Caller
from seatrial.control.identity.service import Identity
from seatrial.control.promotions.domain.switching import Until
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.promotions import Promotions
from seatrial.control.promotions.store import tables as promotion_tables
from seatrial.kit.clock import Clock, VirtualClock
from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.statements import Statement
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.ids import Ids
from seatrial.kit.leases import store as lease_tables
from seatrial.kit.transparency import store as log_tables
from seatrial.kit.transparency.domain import Record
from seatrial.kit.transparency.service import entries
from tests.contract.making import NOW, Crew

BUNDLE: Final = b"bundle"
ADA: Final = Caller(id="tok_ada", name="Ada", permissions=frozenset(Permission))
HISTORIES: Final = (
    log_tables.HISTORY,
    lease_tables.HISTORY,
    identity_tables.HISTORY,
    environment_tables.HISTORY,
    catalog_tables.HISTORY,
    promotion_tables.HISTORY,
)
PAIR: Final = (("staging", "staging"), ("production", "production"))
"""One cell for each hosted environment: name and environment."""
EUROPE: Final = (*PAIR, ("production-eu", "production"))

_T = TypeVar("_T")


@dataclass(kw_only=True)
class Cell:
    """A cell that says what it is told to say, and nothing by itself."""

    name: str
    environment: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    sealing: OpeningKey = field(default_factory=OpeningKey.generate)
    token: str = ""
    counted: int = 0

    @property
    def entry(self) -> CellEntry:
        """As the keyring lists it."""
        keys = CellReplica(signing=self.key.id, sealing=self.sealing.id)
        return CellEntry(
            name=self.name, environment=self.environment, region="local", replicas=(keys,)
        )

    def says(self, ordered: Ordered | GenerationRow, step: Step, reason: str = "") -> str:
        """A report about a generation."""
        if isinstance(ordered, GenerationRow):
            return self.report(ordered.generation, ordered.closure, step, reason)
        proposal = proposal_of(ordered)
        return self.report(proposal, ordered.closure.digest, step, reason)

    def report(self, generation: int, closure: Digest, step: Step, reason: str = "") -> str:
        """A report, whatever it is about."""
        said = CellReport(
            cell=self.name,
            environment=self.environment,
            generation=generation,
            step=step,
            reason=reason,
            at=NOW,
        )
        return said.signed(closure, "closure", self.key).decode()

    def counts(self, of: Release, succeeded: int = 1, sequence: int | None = None) -> str:
        """Facts about a release; newer each time unless told otherwise."""
        self.counted += 1
        said = RunFacts(
            cell=self.name,
            environment=self.environment,
            sequence=self.counted if sequence is None else sequence,
            until=NOW,
            succeeded=succeeded,
            failed=0,
            cancelled=0,
            good=0,
            judged=0,
        )
        return said.signed(of.name, "release", self.key).decode()


class Line:
    """From the catalog to the switch. `beside` is another process of the same control."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        cells: Iterable[tuple[str, str]] = PAIR,
        profile: Profile = Profile.SOLO,
        clock: Clock | None = None,
        crew: Crew | None = None,
    ) -> None:
        migrate_now(database, HISTORIES)
        self.database = database
        self.clock = clock or VirtualClock(NOW)
        self.crew = crew or Crew()
        self.cells = {name: Cell(name=name, environment=where) for name, where in cells}
        self.folder = folder
        self.profile = profile
        ids = Ids(self.clock)
        self.identity = Identity(database, self.clock, ids)
        self.environments = Environments(
            database,
            self.clock,
            ids,
            roots=[self.crew.root.verify_key],
            profiles={"production": profile},
        )
        self.blobs = FolderBlobs(folder / "blobs", ids)
        self.catalog = Catalog(database, self.blobs, self.clock, ids, self.environments.keyring)
        self.promotions = Promotions(
            database,
            self.clock,
            Means(
                key=self.crew.control,
                environments=self.environments,
                catalog=self.catalog,
                version="1",
                embedded=True,
            ),
        )
        self._nonce = 0

    def beside(self, database: Database) -> "Line":
        """Another process of control, on another connection to the same database."""
        other = Line(database, self.folder, profile=self.profile, clock=self.clock, crew=self.crew)
        other.cells = self.cells
        return other

    async def start(self) -> "Line":
        """Enrol the cells, put a keyring in force, and the bundle in place."""
        for cell in self.cells.values():
            await self.enrol(cell)
        await self.sign(1)
        await self.blobs.put(Digest.of(BUNDLE), _parts(BUNDLE))
        return self

    async def enrol(self, cell: Cell) -> None:
        """Let a process of a cell in."""
        asked = EnrolmentTokenRequest(cell=cell.name, environment=cell.environment)
        token = (await self.environments.invite(asked, ADA)).token
        profile = self.environments.profile(cell.environment)
        answer = await self.environments.enrol(
            EnrolRequest(
                token=token,
                signing=cell.key.id,
                sealing=cell.sealing.id,
                url="http://127.0.0.1:8800",
                profile=profile,
            )
        )
        cell.token = answer.token

    async def sign(self, version: int) -> None:
        """Put a keyring in force that lists everybody."""
        people = (
            Person(name="Ada", key=self.crew.author.id, roles=(Role.AUTHOR, Role.RELEASER)),
            Person(name="Grace", key=self.crew.releaser.id, roles=(Role.RELEASER,)),
        )
        keyring = Keyring(
            version=version,
            control=(self.crew.control.id,),
            cells=tuple(cell.entry for cell in self.cells.values()),
            people=people,
        )
        signed = sign_keyring(keyring, self.crew.root).decode()
        await self.environments.put_keyring(signed, ADA)

    # --- People --------------------------------------------------------------------------------

    async def hand_in(self, of: Release) -> str:
        """Deploy a release to the catalog; its name."""
        provenance = self.crew.provenance(of).decode()
        request = DeployRequest(release=of.document(), provenance=provenance)
        return (await self.catalog.deploy(request, ADA)).name

    async def plan(self, environment: str, verb: Verb, **given: Any) -> Plan:
        """What somebody has in mind."""
        return await self.promotions.plan(PlanRequest(verb=verb, **given), environment)

    def signed(self, plan: Plan, *keys: SigningKey, seconds: float = 3_600.0) -> OrderRequest:
        """A plan, signed by `keys`; by Ada where none are given."""
        self._nonce += 1
        said = Order(
            environment=plan.environment,
            verb=plan.verb,
            previous=plan.previous,
            base=plan.base,
            rules=plan.rules,
            nonce=f"nonce-{self._nonce:012d}",
            not_after=self.clock.now() + timedelta(seconds=seconds),
            reason="because",
        )
        envelope = said.signed(plan.closure.digest, "closure", *(keys or (self.crew.author,)))
        return OrderRequest(order=envelope.decode(), closure=plan.closure)

    async def order(self, plan: Plan, *keys: SigningKey, caller: Caller = ADA) -> OrderAnswer:
        """Sign a plan and have it carried out."""
        return await self.promotions.order(self.signed(plan, *keys), plan.environment, caller)

    async def proposed(self, environment: str, verb: Verb, **given: Any) -> GenerationRow:
        """The generation under way after planning, signing and ordering."""
        answer = await self.order(await self.plan(environment, verb, **given))
        assert answer.generation is not None
        return answer.generation

    async def deployed(self, of: Release) -> GenerationRow:
        """A release, live in staging and counted there once."""
        name = await self.hand_in(of)
        agent = of.manifest.agent
        row = await self.proposed("staging", Verb.DEPLOY, agents={agent: name})
        row = await self.switched(row)
        await self.promotions.evidence(self.cells["staging"].counts(of), "staging")
        return row

    async def promoted(self, of: Release) -> GenerationRow:
        """A release, live in production by way of staging."""
        await self.deployed(of)
        return await self.switched(await self.proposed("production", Verb.PROMOTE))

    # --- Cells ---------------------------------------------------------------------------------

    async def report(self, cell: Cell, envelope: str) -> None:
        """A cell's word, brought with its token."""
        await self.promotions.report(envelope, cell.name)

    async def switched(self, row: GenerationRow) -> GenerationRow:
        """Let every cell of the environment prepare and commit a generation."""
        members = [cell for cell in self.cells.values() if cell.environment == row.environment]
        for step in (Step.PREPARED, Step.COMMITTED):
            for cell in members:
                await self.report(cell, cell.says(row, step))
        return await self.promotions.wait(row.environment, row.generation, Until.COMMITTED, 0.0)

    async def desired(self, name: str, current: int | None = None) -> Desired:
        """What a cell is told."""
        cell = self.cells[name]
        _, body = await self.promotions.desired(name, cell.environment, current)
        return Desired.model_validate_json(body)

    # --- Looks ---------------------------------------------------------------------------------

    def read(self, use_case: Callable[[Connection], _T]) -> _T:
        """What `use_case` finds."""
        return self.database.read_now(use_case)

    def log(self) -> tuple[Record, ...]:
        """Everything decided so far about switches."""
        found = self.read(lambda connection: entries(connection, 0, 1_000))
        return tuple(each for each in found if each.kind.startswith(("switch.", "order.")))

    def logged(self) -> list[str]:
        """The kinds of that."""
        return [record.kind for record in self.log()]


def proposal_of(ordered: Ordered) -> int:
    """The generation that control ordered, as it stands in the envelope."""
    envelope = dsse.Envelope.parse(ordered.proposal.encode())
    return Proposal.of(Statement.parse(envelope.payload))[1].generation


def empty(environment: str, line: Line) -> Closure:
    """Generation 0."""
    return line.environments.initial(environment)


def wait(main: Coroutine[Any, Any, _T]) -> _T:
    """The result of `main`, on a loop of its own."""
    return asyncio.run(main)


async def _parts(content: bytes) -> Any:
    yield content
