"""Each clause of the rule is needed: without it, some run breaks a promise."""

import inspect
import random
from types import ModuleType
from typing import Any

import pytest

from seatrial.cell.journal.domain import book, matching
from tests.cell.journal.engine import Rule
from tests.cell.journal.examples import EXAMPLES
from tests.cell.journal.promises import one_case

MOST = 1_500  # cases that a mutant may live through; the toughest needs a few hundred

RULE = {
    "a lost call is not joined": ("    if lost:", "    if lost and False:"),
    "a cut call is joined, not made again": (
        "    if book.claim_of(row) is Claim.CUT:",
        "    if False:",
    ),
    "what waits for a person is joined": (
        "if row.state is RowState.UNKNOWN else Attach",
        "if False else Attach",
    ),
    "a call that is not lost is joined": (
        "if book.claim_of(row) in _ALONE]",
        "if book.claim_of(row) is not None]",
    ),
    "a retry is a new call": ("if arrival.retry and under_way:", "if False:"),
    "every second call is a retry": ("if arrival.retry and under_way:", "if under_way:"),
    "what was delivered in vain is done again": ("    if arrival.retry:", "    if False:"),
    "a failure is answered to its own retry": (
        "if delivered and delivered[-1].state is RowState.DONE:",
        "if delivered:",
    ),
    "equal writes do not wait for each other": ("if arrival.binds and under_way:", "if False:"),
    "equal samples wait for each other": ("if arrival.binds and under_way:", "if under_way:"),
    "results do not answer": ("    if settled:", "    if False:"),
    "the newest answers": ("Answer(row=settled[0])", "Answer(row=settled[-1])"),
    "cut calls go before results": (
        "settled = [row for row in rows if row.settled]",
        "settled = [row for row in rows[:1] if row.settled]",
    ),
    "a row answers twice": ("if book.unclaimed(row) and _answers", "if _answers"),
    "strict replay finishes what was cut": (
        "    if facts.mode in CLOSED:\n        return Refuse(reason=Refusal.UNFINISHED)",
        "    if False:\n        pass",
    ),
    "a shadow takes models' answers": (
        "(row.kind is not Kind.MODEL and row.settled)",
        "row.settled",
    ),
    "a shadow takes what has no result": (
        "(row.kind is not Kind.MODEL and row.settled)",
        "row.kind is not Kind.MODEL",
    ),
    "a shadow takes nothing": ("return not row.borrowed or (", "return not row.borrowed and ("),
    "a person is asked again what is unknown": (
        "return NeedsPerson(row=row, asked=True)\n    if facts.mode is Mode.F",
        "return NeedsPerson(row=row, asked=False)\n    if facts.mode is Mode.F",
    ),
    "what is unknown is done by its class": ("if row.state is RowState.UNKNOWN:", "if False:"),
    "a question is put again": ("if row.kind is Kind.WAIT:", "if False:"),
    "a cut read is a cut write": (
        "    if not row.binds:\n        return Redo",
        "    if False:\n        return Redo",
    ),
    "a write is made again like a read": (
        "    if not row.binds:\n        return Redo",
        "    if True:\n        return Redo",
    ),
    "what a person has cleared is asked again": ("if row.state is RowState.CLEARED:", "if False:"),
    "idempotent goes to a person": ("case Effect.IDEMPOTENT:", "case None:"),
    "reconcilable goes to a person": ("case Effect.RECONCILABLE:", "case None:"),
    "transactional goes to a person": ("case Effect.TRANSACTIONAL:", "case None:"),
    "reconcilable is retried": (
        "return AskWhatHappened(row=again)",
        "return RetrySameKey(row=again)",
    ),
    "transactional is retried": ("return FindMarker(row=again)", "return RetrySameKey(row=again)"),
    "irreversible is retried": (
        "return NeedsPerson(row=row, asked=False)\n\n",
        "return RetrySameKey(row=again)\n\n",
    ),
    "what was cut stays another attempt's": (
        "attempt=book.attempt, state=RowState.INTENT)",
        "attempt=book.attempt)",
    ),
    "masks find nothing": ("        _alike(book, arrival)\n        or ", "        "),
    "the newest of its mask answers": (
        "Answer(row=rows[0], approximate",
        "Answer(row=rows[-1], approximate",
    ),
    "strict replay goes out": (
        "    if facts.mode in CLOSED:\n        return Refuse(reason=Refusal.UNRECORDED)",
        "    if False:\n        pass",
    ),
    "a shadow's models stay in": (
        "if facts.mode in OPEN or arrival.kind is Kind.MODEL:",
        "if facts.mode in OPEN:",
    ),
    "a run on a fixture performs nothing": (
        "if facts.mode in OPEN or arrival",
        "if facts.mode is Mode.LIVE or arrival",
    ),
    "a person is asked of what a fixture answers": ("if facts.mode is Mode.FIXTURE:", "if False:"),
    "what was performed is made again": ("if facts.mode is Mode.FIXTURE:", "if True:"),
    "a shadow writes": ("        return Sink(row=book.next(arrival))", "        return None"),
    "a shadow reads what it likes": (
        "return None if arrival.shadowed else",
        "return None if True else",
    ),
    "a shadow reads nothing": ("return None if arrival.shadowed else", "return None if False else"),
    "a write is not held": (
        "    if blockers:\n        return HoldWrite",
        "    if False:\n        return HoldWrite",
    ),
    "reads are held like writes": ("if arrival.binds else ()", "if True else ()"),
    "a held write is held for ever": ("if blockers and facts.quiet:", "if False:"),
    "a held write goes at once to a person": ("if blockers and facts.quiet:", "if blockers:"),
    "nothing waits for the rest": (
        "if book.replaying and not arrival.waited and not facts.diverged:",
        "if False:",
    ),
    "what waits for the rest waits for ever": (" and not arrival.waited and", " and"),
    "new calls never mark a run": ("diverged=book.replaying", "diverged=False"),
    "new calls always mark a run": ("diverged=book.replaying", "diverged=True"),
    "a run may end without its writes": (
        "    if blockers:\n        return Diverged(reason=Divergence.RETURNED",
        "    if False:\n        return Diverged(reason=Divergence.RETURNED",
    ),
    "a run may end before its writes do": (
        "if book.under_way or book.waiting:",
        "if book.waiting:",
    ),
    "a run may end before its calls begin": (
        "if book.under_way or book.waiting:",
        "if book.under_way:",
    ),
}
BOOK = {
    "what a mask met is lost in transit": (
        "if row.key != arrival.key and row not in",
        "if False and row not in",
    ),
    "one of two callers loses for both": ("if not self._callers[seq] and ", "if "),
    "what was delivered can be lost": (" and self._claims.get(seq) is Claim.OPEN:", ":"),
    "lost is never": ("self._claims[seq] = Claim.LOST", "pass"),
    "delivered is never": ("self._claims[seq] = Claim.DELIVERED", "pass"),
    "cut is lost": ("self._claims[seq] = Claim.CUT", "pass"),
    "occurrences start anew": (
        "while self._free[name] in self._taken[name]:",
        "while False:",
    ),
    "occurrences are counted": ("return self._free[name]", "return len(self._taken[name]) + 1"),
    "lent rows count as occurrences": (
        "        if not row.borrowed:\n            self._taken",
        "        if True:\n            self._taken",
    ),
    "a row keeps blocking": ("        self._resting.discard(row.seq)\n", ""),
    "nothing blocks": ("self._resting.add(row.seq)", "pass"),
    "only results block": ("and (row.binds or row.settled):", "and row.settled:"),
    "cut reads count as met": ("and (row.binds or row.settled):", "and True:"),
    "what a person waived blocks": ("elif row.seq not in self._waived and", "elif"),
    "reads block": (" if self._rows[seq].binds]", "]"),
    "lent rows block": (
        "            if row.borrowed:\n                self._lent = True\n            elif",
        "            self._lent = row.borrowed\n            if",
    ),
    "a retry of what never began is answered": (
        "return replace(arrival, retry=False)",
        "return arrival",
    ),
    "every retry is a first call": (
        "or not self._waiting[name] + self._dropped[name]:",
        "or False:",
    ),
    "what was dropped is forgotten": (
        "self._dropped[arrival.kind, arrival.key] += dropped",
        "pass",
    ),
    "what waits is forgotten": (
        "self._waiting[arrival.kind, arrival.key] += 1",
        "self._waiting[arrival.kind, arrival.key] += 0",
    ),
    "one retry uses up all that was dropped": (
        "self._dropped[name] -= bool(self._dropped[name])",
        "self._dropped[name] = 0",
    ),
    "a dropped call excuses retries for ever": (
        "self._dropped[name] -= bool(self._dropped[name])",
        "pass",
    ),
    "masks find what is claimed": (" if seq not in self._claims]", "]"),
    "masks find models that are lent": (
        "return not row.borrowed or row.kind is not Kind.MODEL",
        "return True",
    ),
    "masks find what has no result": ("if row.binds or not row.settled or", "if row.binds or"),
    "masks find nothing that is lent": (
        "if not self.replaying and (arrival.kind is Kind.MODEL or not self._lent):",
        "if not self.replaying:",
    ),
    "writes have masks": (
        "        if arrival.binds or arrival.mask is not None:",
        "        if arrival.mask is not None:",
    ),
    "a row is never under way": (
        "return [row for row in begun if row.binds and row.state is RowState.INTENT]",
        "return []",
    ),
    "numbers are given twice": (
        "self._last = max(self._last, row.seq)",
        "self._last = row.seq if row.attempt != self.attempt else self._last",
    ),
}


def _changed(module: ModuleType, old: str, new: str) -> dict[str, Any]:
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {module.__name__}"
    names: dict[str, Any] = {"__name__": f"mutant_of_{module.__name__}"}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)  # noqa: S102
    return names


def _of_rule(old: str, new: str) -> Rule:
    names = _changed(matching, old, new)
    decide, finish = names["decide"], names["finish"]
    # Decisions of the mutant are to be told apart by the classes that the engine knows.
    names.update({name: it for name, it in vars(matching).items() if isinstance(it, type)})
    return Rule(decide=decide, finish=finish, Book=book.Book)


def _of_book(old: str, new: str) -> Rule:
    return Rule(
        decide=matching.decide, finish=matching.finish, Book=_changed(book, old, new)["Book"]
    )


def lived(rule: Rule, most: int = MOST) -> int | None:
    """How many cases a mutant lived through; None if all of them."""
    for example in EXAMPLES.values():
        try:
            example(rule)
        except Exception:  # noqa: BLE001 - whatever it breaks
            return 0
    for seed in range(most):
        try:
            one_case(random.Random(seed), rule)  # noqa: S311
        except Exception:  # noqa: BLE001 - whatever it breaks
            return seed
    return None


@pytest.mark.parametrize("name", list(RULE))
def test_a_clause_of_the_rule_is_needed(name: str) -> None:
    assert lived(_of_rule(*RULE[name])) is not None


@pytest.mark.parametrize("name", list(BOOK))
def test_a_clause_of_the_book_is_needed(name: str) -> None:
    assert lived(_of_book(*BOOK[name])) is not None
