"""The rows of one run as one attempt sees them: which of them it has come back to."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from seatrial.cell.journal.domain.rows import Arrival, Claim, Kind, Row, RowState


class Book:
    """All rows of a run, and what the attempt in hand has made of them.

    It is kept by the process that runs the attempt, and changed only by the verbs below; what
    must outlive the process is written to the store by whoever calls them.

    Args:
        attempt: the one in hand.
        rows: what earlier attempts left, and rows of a shadowed run.
        waived: binding rows of which a person has said that the agent need not come back to them.
    """

    def __init__(
        self, *, attempt: int, rows: Iterable[Row] = (), waived: Collection[int] = ()
    ) -> None:
        self.attempt = attempt
        self._rows: dict[int, Row] = {}
        self._of_key: defaultdict[tuple[Kind, str], list[int]] = defaultdict(list)
        self._taken: defaultdict[tuple[Kind, str], set[int]] = defaultdict(set)
        self._named: defaultdict[int, list[tuple[Kind, str]]] = defaultdict(list)
        self._free: defaultdict[tuple[Kind, str], int] = defaultdict(lambda: 1)
        self._of_mask: defaultdict[tuple[Kind, str], list[int]] = defaultdict(list)
        self._masked = False
        self._claims: dict[int, Claim] = {}
        self._callers: defaultdict[int, int] = defaultdict(int)
        self._waiting: defaultdict[tuple[Kind, str], int] = defaultdict(int)
        self._dropped: defaultdict[tuple[Kind, str], int] = defaultdict(int)
        self._waived = frozenset(waived)
        self._lent = False
        self._resting: set[int] = set()
        self._last = 0
        for row in sorted(rows, key=lambda row: row.seq):
            self._keep(row)
            if row.borrowed:
                self._lent = True
            elif row.seq not in self._waived and (row.binds or row.settled):
                self._resting.add(row.seq)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __getitem__(self, seq: int) -> Row:
        return self._rows[seq]

    def same(self, arrival: Arrival) -> list[Row]:
        """The rows of the arrival's kind and key, oldest first, then those met by its mask.

        Of those that were delivered only the last is among them: a retry can be of no other, and
        an agent that asks one thing a thousand times must not wait longer each time.
        """
        return [self._rows[seq] for seq in self._of_key.get((arrival.kind, arrival.key), ())]

    def alike(self, arrival: Arrival) -> list[Row]:
        """The unclaimed rows of the arrival's kind and mask, oldest first."""
        if arrival.mask is None:
            return []
        found = self._of_mask.get((arrival.kind, arrival.mask), ())
        return [self._rows[seq] for seq in found if seq not in self._claims]

    def claim_of(self, row: Row) -> Claim | None:
        """What this attempt has made of `row`; None if it has not come back to it."""
        return self._claims.get(row.seq)

    def unclaimed(self, row: Row) -> bool:
        """Whether the attempt has not come back to `row`; what is borrowed may answer once too."""
        return row.seq not in self._claims

    @property
    def blockers(self) -> list[Row]:
        """Recorded writes and questions to which the agent has not come back."""
        return [self._rows[seq] for seq in sorted(self._resting) if self._rows[seq].binds]

    @property
    def replaying(self) -> bool:
        """Whether results, or writes of any state, are recorded that the agent has not met yet.

        A model call or read without a result counts not: nothing can rest on it.
        """
        return bool(self._resting)

    @property
    def under_way(self) -> list[Row]:
        """Writes that this attempt has begun and that have no result yet."""
        begun = [self._rows[seq] for seq in self._claims]
        return [row for row in begun if row.binds and row.state is RowState.INTENT]

    @property
    def waiting(self) -> bool:
        """Whether the rule makes any arrival wait."""
        return any(self._waiting.values())

    @property
    def unknown(self) -> list[Row]:
        """Rows of which a person must say what happened."""
        return [row for row in self if row.state is RowState.UNKNOWN]

    def wants_mask(self, arrival: Arrival) -> bool:
        """Whether the rule needs the arrival's mask, and those of the unclaimed rows."""
        if arrival.binds or arrival.mask is not None:
            return False
        if not self.replaying and (arrival.kind is Kind.MODEL or not self._lent):
            return False
        return not any(self.unclaimed(row) for row in self.same(arrival))

    def learn_masks(self, mask_of: Callable[[Row], str | None]) -> None:
        """Compute the masks of all unclaimed rows that one may find: results of models and reads.

        Once is enough: what an attempt itself adds, it adds claimed.
        """
        if self._masked:
            return
        self._masked = True
        for row in self:
            mask = mask_of(row) if self._may_be_met(row) else None
            if mask is not None:
                self._of_mask[row.kind, mask].append(row.seq)

    def receive(self, arrival: Arrival) -> Arrival:
        """The arrival as the rule is to see it: the retry of a call that never began is the first.

        Only the retry of one that began can be answered by a row that was delivered before.
        """
        name = arrival.kind, arrival.key
        if not arrival.retry or not self._waiting[name] + self._dropped[name]:
            return arrival
        self._dropped[name] -= bool(self._dropped[name])
        return replace(arrival, retry=False)

    def wait(self, arrival: Arrival) -> None:
        """The rule makes the arrival wait, or holds it."""
        self._waiting[arrival.kind, arrival.key] += 1

    def go(self, arrival: Arrival, *, dropped: bool = False) -> None:
        """It waits no longer, for the rule has decided, or its caller went away."""
        self._waiting[arrival.kind, arrival.key] -= 1
        self._dropped[arrival.kind, arrival.key] += dropped

    def open(self, row: Row, arrival: Arrival) -> None:
        """Claim `row`, as it is now: the arrival's caller waits for its result.

        A new row is kept. One that was met by its mask is from now on found by the arrival's key
        too, for its caller may send the same again.
        """
        if row.key != arrival.key and row not in self.same(arrival):
            self._name(row, arrival.key)
        if row.seq in self._rows:
            self._rows[row.seq] = row
        else:
            self._keep(row)
        self._resting.discard(row.seq)
        self._claims[row.seq] = Claim.OPEN
        self._callers[row.seq] += 1

    def give_up(self, seq: int) -> None:
        """A lost model call or read is under way no longer: who asks again has it made again."""
        self._claims[seq] = Claim.CUT

    def lose(self, seq: int) -> None:
        """A caller went away before it had all of the result; the row is lost with the last."""
        self._callers[seq] -= 1
        if not self._callers[seq] and self._claims.get(seq) is Claim.OPEN:
            self._claims[seq] = Claim.LOST

    def deliver(self, seq: int) -> None:
        """A caller has all of the result."""
        self._callers[seq] -= 1
        self._claims[seq] = Claim.DELIVERED
        for name in self._named.pop(seq, ()):
            self._of_key[name] = self._without_older(self._of_key[name])

    def settle(self, seq: int, state: RowState, answer: str | None = None) -> Row:
        """Give a row its result, or make it unknown; the row as it is then."""
        row = replace(self._rows[seq], state=state, answer=answer, attempt=self.attempt)
        self._rows[seq] = row
        return row

    def next(self, arrival: Arrival) -> Row:
        """The row that `arrival` gets where it claims none; it is not kept yet."""
        return Row(
            seq=self._last + 1,
            attempt=self.attempt,
            kind=arrival.kind,
            effect=arrival.effect,
            key=arrival.key,
            occurrence=self._occurrence(arrival),
        )

    def _without_older(self, seqs: list[int]) -> list[int]:
        """Without those that were delivered, but for the last of them."""
        delivered = [seq for seq in seqs if self._claims.get(seq) is Claim.DELIVERED]
        gone = frozenset(delivered[:-1])
        return [seq for seq in seqs if seq not in gone] if gone else seqs

    def _may_be_met(self, row: Row) -> bool:
        """By its mask; what is lent answers no model call."""
        if row.binds or not row.settled or row.seq in self._claims:
            return False
        return not row.borrowed or row.kind is not Kind.MODEL

    def _occurrence(self, arrival: Arrival) -> int:
        """The first number that is free: lost power may have taken a row from among others."""
        name = arrival.kind, arrival.key
        while self._free[name] in self._taken[name]:
            self._free[name] += 1
        return self._free[name]

    def _name(self, row: Row, key: str) -> None:
        self._of_key[row.kind, key].append(row.seq)
        self._named[row.seq].append((row.kind, key))

    def _keep(self, row: Row) -> None:
        self._rows[row.seq] = row
        self._name(row, row.key)
        if not row.borrowed:
            self._taken[row.kind, row.key].add(row.occurrence)
        self._last = max(self._last, row.seq)
