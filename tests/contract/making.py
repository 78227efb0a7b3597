"""Releases, closures and signed evidence for tests of what stands on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import CellEntry, CellReplica, Keyring, Person, Role
from seatrial.contract.evidence.statements import Order, Provenance, RunFacts, Verb
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.releases.components import Body, Code, Limits, Prompt, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey

NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)


def release(
    agent: str = "support", prompt: str = "Be kind.", limits: Limits | None = None
) -> Release:
    """A small release; another prompt makes another one."""
    bodies: list[tuple[str, Body]] = [
        ("main", Code(entry="agent.py:answer", bundle=Digest.of(b"bundle"), python="3.11")),
        ("system", Prompt(text=prompt)),
    ]
    if limits is not None:
        bodies.append(("run", limits))
    return assemble(agent, tuple(component(name, body) for name, body in bodies))


def closure(
    releases: Iterable[Release] = (),
    *,
    environment: str = "production",
    profile: Profile = Profile.SOLO,
) -> Closure:
    """A closure in which each release is number 1 of its agent."""
    agents = {
        each.manifest.agent: Active(release=each.name, name=f"{each.manifest.agent}@1")
        for each in releases
    }
    return Closure(environment=environment, agents=agents, rules=rules_of(profile, environment))


@dataclass(kw_only=True)
class Crew:
    """Everybody with a key: two people, control, and a cell for staging and for production."""

    author: SigningKey = field(default_factory=SigningKey.generate)
    releaser: SigningKey = field(default_factory=SigningKey.generate)
    control: SigningKey = field(default_factory=SigningKey.generate)
    staging: SigningKey = field(default_factory=SigningKey.generate)
    production: SigningKey = field(default_factory=SigningKey.generate)
    root: SigningKey = field(default_factory=SigningKey.generate)
    stranger: SigningKey = field(default_factory=SigningKey.generate)

    def keyring(self, version: int = 1) -> Keyring:
        """Whose signatures count; the author may also release, as on a laptop."""
        return Keyring(
            version=version,
            control=(self.control.verify_key.id,),
            cells=(self._cell("staging", self.staging), self._cell("production", self.production)),
            people=(
                Person(
                    name="Ada",
                    key=self.author.verify_key.id,
                    roles=(Role.AUTHOR, Role.RELEASER),
                ),
                Person(name="Grace", key=self.releaser.verify_key.id, roles=(Role.RELEASER,)),
            ),
        )

    def _cell(self, name: str, key: SigningKey) -> CellEntry:
        replica = CellReplica(signing=key.verify_key.id, sealing=OpeningKey.generate().id)
        return CellEntry(name=name, environment=name, region="local", replicas=(replica,))

    def provenance(self, of: Release, key: SigningKey | None = None) -> bytes:
        """Where a release comes from, signed by its author."""
        said = Provenance(agent=of.manifest.agent, at=NOW)
        return said.signed(of.name, "release", key or self.author)

    def order(
        self,
        after: Closure,
        before: Closure,
        *keys: SigningKey,
        verb: Verb = Verb.PROMOTE,
        previous: int = 0,
        not_after: datetime = NOW + timedelta(hours=1),
    ) -> bytes:
        """An order for `after`, signed by `keys`."""
        said = Order(
            environment=after.environment,
            verb=verb,
            previous=previous,
            base=before.digest,
            rules=before.rules.digest,
            nonce="0123456789abcdef",
            not_after=not_after,
        )
        return said.signed(after.digest, "closure", *keys)

    def counted(
        self,
        of: Release,
        *,
        succeeded: int = 1,
        failed: int = 0,
        judged: int = 0,
        good: int = 0,
        sequence: int = 0,
        first: datetime | None = None,
        cell: str = "staging",
        environment: str = "staging",
        key: SigningKey | None = None,
    ) -> bytes:
        """What staging's cell counted of a release."""
        said = RunFacts(
            cell=cell,
            environment=environment,
            sequence=sequence,
            first=first,
            until=NOW,
            succeeded=succeeded,
            failed=failed,
            cancelled=0,
            good=good,
            judged=judged,
        )
        return said.signed(of.name, "release", key or self.staging)
