"""The world that agents act on, with a ledger that nobody can talk out of what happened."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from seatrial.cell.journal.domain.rows import Effect, RowState


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came back: done or failed, and what was said."""

    state: RowState
    text: str


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One effect that took place."""

    account: str
    effect: Effect
    name: int
    key: str


@dataclass
class World:
    """Models, systems and their state."""

    deeds: list[Deed] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    _told: dict[str, Told] = field(default_factory=dict)

    def model(self, prompt: str, name: int, occurrence: int) -> Told:
        """A sample; another one each time that a call of the run, not of an attempt, asks."""
        self.asked[prompt] += 1
        if name == 4 and occurrence % 2:
            return Told(state=RowState.FAILED, text=f"overloaded {digest(prompt)}")
        return Told(state=RowState.DONE, text=f"said {digest(prompt, occurrence)}")

    def read(self, account: str, name: int) -> Told:
        """What the account holds now."""
        state = [deed.name for deed in self.deeds if deed.account == account]
        return Told(state=RowState.DONE, text=f"found {digest(name, state)}")

    def write(self, deed: Deed) -> Told:
        """Let it happen. Only an idempotent system keeps from doing it twice."""
        if deed.effect is Effect.IDEMPOTENT and deed.key in self._told:
            return self._told[deed.key]
        if deed.name == 4:
            told = Told(state=RowState.FAILED, text="declined")
        else:
            self.deeds.append(deed)
            done = sum(other.account == deed.account for other in self.deeds)
            told = Told(state=RowState.DONE, text=f"did {digest(deed.name, done)}")
        self._told[deed.key] = told
        return told

    def happened(self, key: str) -> Told | None:
        """What a system, a marker or a person knows of an effect."""
        return self._told.get(key)


def digest(*parts: object) -> str:
    """A short name of values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:10]
