"""A control for tests: real keys, real envelopes, and as much trouble as is asked for."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from seatrial.cell.hosts.domain import IsolationMissing
from seatrial.cell.switch.domain import ControlRefused
from seatrial.cell.switch.service.ports import Answer
from seatrial.contract.evidence.keyring import CellReplica, Keyring, sign_keyring
from seatrial.contract.evidence.statements import CellReport, Commit, Proposal, RunFacts, Step, Verb
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release
from seatrial.contract.switch.api import EnrolAnswer, EnrolRequest
from seatrial.contract.switch.desired import Desired, Heard, Ordered
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.http.client import PeerUnreachable
from tests.contract.making import NOW, Crew, closure

BUNDLE = b"bundle"  # what the releases of `tests.contract.making` name


def proposal_of(after: Closure, before: Closure, generation: int = 1, **changes: Any) -> Proposal:
    """An order for `after` that follows `before`."""
    said: dict[str, Any] = {
        "environment": after.environment,
        "generation": generation,
        "previous": generation - 1,
        "base": before.digest,
        "verb": Verb.PROMOTE,
        "required": ("production",),
        "at": NOW,
    }
    return Proposal(**(said | changes))


def ordered(
    crew: Crew,
    after: Closure,
    before: Closure,
    generation: int = 1,
    *,
    evidence: Iterable[bytes] = (),
    committed: datetime | None = None,
    key: SigningKey | None = None,
    commit_key: SigningKey | None = None,
    commit_changes: dict[str, Any] | None = None,
    **changes: Any,
) -> Ordered:
    """The order for `after`, as control sends it; `changes` are fields of its proposal."""
    envelopes = [each.decode() for each in evidence]
    digests = tuple(Digest.of(each.encode()) for each in envelopes)
    proposal = proposal_of(after, before, generation, **({"evidence": digests} | changes))
    commit = None
    if committed is not None:
        said: dict[str, Any] = {
            "environment": proposal.environment,
            "generation": proposal.generation,
            "prepared": proposal.required,
            "at": committed,
        }
        words = Commit(**(said | (commit_changes or {})))
        commit = words.signed(after.digest, "closure", commit_key or crew.control).decode()
    return Ordered(
        proposal=proposal.signed(after.digest, "closure", key or crew.control).decode(),
        commit=commit,
        closure=after,
        evidence=tuple(envelopes),
    )


@dataclass(kw_only=True)
class FakeControl:
    """Control as one cell sees it: it orders, commits once the cell is prepared, and counts.

    Attributes:
        gone: every call fails as if nothing listened.
        refuses: every post is refused.
        commits: whether a `prepared` report commits at once.
        reports: those that were taken, verified.
        facts: likewise.
    """

    crew: Crew
    environment: str = "production"
    gone: bool = False
    refuses: bool = False
    commits: bool = True
    version: int = 1
    current: int = 0
    last: int = 0
    generations: dict[int, tuple[Closure, Verb, tuple[bytes, ...], int]] = field(
        default_factory=dict
    )
    commit_at: dict[int, datetime] = field(default_factory=dict)
    proposed: int | None = None
    heard: Heard = field(default_factory=Heard)
    releases: dict[Digest, Any] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=lambda: {Digest.of(BUNDLE): BUNDLE})
    reports: list[CellReport] = field(default_factory=list)
    facts: list[tuple[Digest, RunFacts]] = field(default_factory=list)
    asked: int = 0
    replicas: list[CellReplica] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    _rings: dict[int, tuple[Keyring, str]] = field(default_factory=dict)
    _listeners: set[asyncio.Event] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.generations[0] = (closure(environment=self.environment), Verb.CONFIGURE, (), 0)

    def closure_of(self, generation: int) -> Closure:
        return self.generations[generation][0]

    def add(self, *releases: Release) -> None:
        for each in releases:
            self.releases[each.name] = each.model_dump(mode="json")

    def order(
        self,
        *releases: Release,
        verb: Verb = Verb.PROMOTE,
        evidence: Iterable[bytes] | None = None,
    ) -> int:
        """Propose a closure of `releases`, with all evidence that `solo` asks for."""
        self.add(*releases)
        after, before = (
            closure(releases, environment=self.environment),
            self.closure_of(self.current),
        )
        if evidence is None:
            evidence = proofs(self.crew, after, before, releases, verb, previous=self.current)
        return self.propose(after, verb, evidence)

    def propose(self, after: Closure, verb: Verb, evidence: Iterable[bytes]) -> int:
        self.last += 1
        self.generations[self.last] = (after, verb, tuple(evidence), self.current)
        self.proposed = self.last
        self.tell()
        return self.last

    def commit(self, at: datetime | None = None) -> None:
        assert self.proposed is not None
        self.current, self.proposed = self.proposed, None
        self.commit_at[self.current] = at or NOW
        self.tell()

    def tell(self) -> None:
        for news in self._listeners:
            news.set()

    def keyring(self) -> str:
        """The keyring in force; each version is made once."""
        if self.version not in self._rings:
            ring = self._ring()
            self._rings[self.version] = ring, sign_keyring(ring, self.crew.root).decode()
        return self._rings[self.version][1]

    def _ring(self) -> Keyring:
        ring = self.crew.keyring(self.version)
        if not self.replicas:
            return ring
        cells = tuple(
            cell.model_copy(update={"replicas": tuple(self.replicas)})
            if cell.name == self.environment
            else cell
            for cell in ring.cells
        )
        return ring.model_copy(update={"cells": cells})

    @property
    def _keys(self) -> tuple[VerifyKey, ...]:
        self.keyring()
        return self._rings[self.version][0].keys_of_cell(self.environment)

    def enrol(self, asked: EnrolRequest) -> EnrolAnswer:
        """Take a cell's process in, and sign a keyring that names it."""
        if asked.token not in self.tokens:
            raise ControlRefused(status=401, call="POST", reason="unknown token")
        self.tokens.discard(asked.token)
        self.replicas.append(CellReplica(signing=asked.signing, sealing=asked.sealing))
        self.version += 1
        return EnrolAnswer(
            token="t0ken", cell=self.environment, environment=self.environment, region="local"
        )

    def desired_document(self) -> Desired:
        return Desired(
            cell=self.environment,
            environment=self.environment,
            keyring=self.keyring(),
            committed=self._ordered(self.current) if self.current else None,
            proposed=self._ordered(self.proposed) if self.proposed else None,
            heard=self.heard,
        )

    def _ordered(self, generation: int) -> Ordered:
        after, verb, evidence, previous = self.generations[generation]
        return ordered(
            self.crew,
            after,
            self.closure_of(previous),
            generation,
            previous=previous,
            verb=verb,
            evidence=evidence,
            committed=self.commit_at.get(generation),
            required=(self.environment,),
        )

    @property
    def text(self) -> str:
        return orjson.dumps(self.desired_document().document()).decode()

    async def desired(self, etag: str, current: int) -> Answer | None:
        self._reached()
        assert current <= self.current
        self.asked += 1
        found = str(Digest.of_json(self._state()))
        return None if found == etag else Answer(text=self.text, etag=found)

    def _state(self) -> dict[str, Any]:
        return {
            "current": self.current,
            "proposed": self.proposed,
            "heard": self.heard.document(),
            "version": self.version,
        }

    async def changes(self) -> AsyncGenerator[None, None]:
        self._reached()
        news = asyncio.Event()
        self._listeners.add(news)
        try:
            while not self.gone:
                yield None
                await news.wait()
                news.clear()
        finally:
            self._listeners.discard(news)

    async def release(self, digest: Digest) -> object:
        self._reached()
        if digest not in self.releases:
            raise ControlRefused(status=404, call=f"GET {digest}", reason="unknown")
        return self.releases[digest]

    async def blob(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        self._reached()
        content = self.blobs.get(digest)
        if content is None:
            raise ControlRefused(status=404, call=f"GET {digest}", reason="unknown")
        for start in range(0, len(content), 4):
            yield content[start : start + 4]

    async def report(self, envelope: bytes) -> None:
        self._reached()
        self._taken()
        subject, report, _ = CellReport.verified(envelope, self._keys)
        assert (report.cell, report.environment) == (self.environment, self.environment)
        if report.generation in self.generations:
            assert subject == self.closure_of(report.generation).digest
        self.reports.append(report)
        self._hear(report)
        if report.step is Step.PREPARED and report.generation == self.proposed and self.commits:
            self.commit()
        self.tell()

    def _hear(self, report: CellReport) -> None:
        heard = self.heard.model_dump()
        if report.step is Step.COMMITTED:
            heard["current"] = max(self.heard.current, report.generation)
        else:
            heard[report.step.value] = report.generation
        if report.step is Step.REFUSED and report.generation == self.proposed:
            self.proposed = None
        self.heard = Heard(**heard)

    async def evidence(self, envelope: bytes) -> None:
        self._reached()
        self._taken()
        release, facts, _ = RunFacts.verified(envelope, self._keys)
        self.facts.append((release, facts))

    def _reached(self) -> None:
        if self.gone:
            raise PeerUnreachable(peer="control", reason="gone")

    def _taken(self) -> None:
        if self.refuses:
            raise ControlRefused(status=503, call="POST", reason="busy")


def proofs(
    crew: Crew,
    after: Closure,
    before: Closure,
    releases: Iterable[Release],
    verb: Verb = Verb.PROMOTE,
    *,
    not_after: datetime = datetime(2100, 1, 1, tzinfo=UTC),
    previous: int = 0,
) -> list[bytes]:
    """All that the gates of `solo` ask for."""
    order = crew.order(
        after, before, crew.releaser, verb=verb, previous=previous, not_after=not_after
    )
    return [
        order,
        *(made for each in releases for made in (crew.provenance(each), crew.counted(each))),
    ]


@dataclass(kw_only=True)
class FakeWarmer:
    """Warms nothing; fails as told.

    Attributes:
        asked: names of releases, in order.
        warmed: likewise, of those that became warm.
        failing: raised instead, by the release's name.
        isolates: whether this machine can isolate.
    """

    asked: list[Digest] = field(default_factory=list)
    warmed: list[Digest] = field(default_factory=list)
    failing: dict[Digest, Exception] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    isolates: bool = True
    kept: frozenset[Digest] = frozenset()
    cleared: frozenset[Digest] | None = None

    async def warm(self, release: Release, *, isolated: bool) -> None:
        self.asked.append(release.name)
        if isolated and not self.isolates:
            raise IsolationMissing(reason="landlock")
        if self.hold is not None:
            await self.hold.wait()
        error = self.failing.get(release.name)
        if error is not None:
            raise error
        self.warmed.append(release.name)

    async def keep(self, releases: Collection[Digest]) -> None:
        self.kept = frozenset(releases)

    async def clear(self, releases: Collection[Release]) -> None:
        self.cleared = frozenset(each.name for each in releases)


HOUR = timedelta(hours=1)
