"""What the rule answers to one call, where a whole run would show it late or never."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from seatrial.cell.journal.domain.matching import (
    Answer,
    Attach,
    Diverged,
    Finished,
    GoLive,
    HoldWrite,
    NeedsPerson,
    Patience,
    Redo,
    Refusal,
    Refuse,
    RetrySameKey,
    Wait,
)
from seatrial.cell.journal.domain.rows import Arrival, Effect, Facts, Kind, Mode, Row, RowState
from tests.cell.journal.engine import Rule

READ: Final = Effect.READ
RESULT: Final[dict[str, Any]] = {"state": RowState.DONE, "answer": "x"}


def row(seq: int = 1, **fields: Any) -> Row:
    """A write, unless told otherwise."""
    known: dict[str, Any] = {
        "seq": seq,
        "attempt": 1,
        "kind": Kind.ACTION,
        "effect": Effect.IDEMPOTENT,
        "key": "a",
        "occurrence": 1,
    }
    return Row(**(known | fields))


def call(key: str = "a", effect: Effect = Effect.IDEMPOTENT, **fields: Any) -> Arrival:
    """A write, unless told otherwise."""
    known: dict[str, Any] = {"kind": Kind.ACTION, "effect": effect, "key": key}
    return Arrival(**(known | fields))


def an_unfinished_write_becomes_an_intent_of_this_attempt_before_it_goes_out(rule: Rule) -> None:
    book = rule.Book(attempt=3, rows=[row(state=RowState.CLEARED)])
    again = row(attempt=3, state=RowState.INTENT)
    assert rule.decide(book, call(), Facts()) == RetrySameKey(row=again)


def the_recorded_class_counts_and_not_that_of_a_later_release(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row()])
    arrival = call(effect=Effect.IRREVERSIBLE)
    assert isinstance(rule.decide(book, arrival, Facts()), RetrySameKey)


def a_result_answers_before_an_older_call_that_was_cut(rule: Rule) -> None:
    cut, done = row(1, effect=READ), row(2, effect=READ, occurrence=2, **RESULT)
    book = rule.Book(attempt=2, rows=[cut, done])
    assert rule.decide(book, call(effect=READ), Facts()) == Answer(row=done)
    book.open(done, call(effect=READ))
    assert rule.decide(book, call(effect=READ), Facts()) == Redo(row=replace(cut, attempt=2))


def who_comes_back_to_a_call_that_waits_for_a_person_waits_for_him_too(rule: Rule) -> None:
    unsure = row(effect=Effect.IRREVERSIBLE)
    book = rule.Book(attempt=2, rows=[unsure])
    book.open(unsure, call(effect=Effect.IRREVERSIBLE))
    asked = book.settle(1, RowState.UNKNOWN)
    book.lose(1)
    again = rule.decide(book, call(effect=Effect.IRREVERSIBLE, retry=True), Facts())
    assert again == NeedsPerson(row=asked, asked=True)


def a_write_that_is_not_recorded_is_held_and_in_the_end_diverges(rule: Rule) -> None:
    recorded = row(**RESULT)
    book = rule.Book(attempt=2, rows=[recorded])
    assert rule.decide(book, call("b"), Facts()) == HoldWrite(blockers=(recorded,))
    assert isinstance(rule.decide(book, call("b"), Facts(quiet=True)), Diverged)
    assert isinstance(rule.finish(book), Diverged)
    book.open(recorded, call())
    assert isinstance(rule.decide(book, call("b"), Facts()), GoLive)


def a_read_is_not_held_for_a_write(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row(**RESULT)])
    new = call("b", READ)
    assert rule.decide(book, new, Facts()) == Wait(reason=Patience.REST)
    gone = rule.decide(book, replace(new, waited=True), Facts())
    assert gone == GoLive(row=book.next(new), diverged=True)
    assert isinstance(rule.decide(book, new, Facts(diverged=True)), GoLive)


def a_write_is_not_held_for_a_read(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row(effect=READ, **RESULT)])
    assert rule.decide(book, call("b"), Facts(quiet=True)) == Wait(reason=Patience.REST)
    gone = rule.decide(book, call("b", waited=True), Facts())
    assert gone == GoLive(row=book.next(call("b")), diverged=True)


def a_model_call_that_was_cut_makes_no_run_diverge(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row(kind=Kind.MODEL, effect=READ)])
    arrival = call("b", READ, kind=Kind.MODEL)
    assert rule.decide(book, arrival, Facts()) == GoLive(row=book.next(arrival))


def a_strict_replay_refuses_what_has_no_result(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row()])
    facts = Facts(mode=Mode.STRICT)
    assert rule.decide(book, call(), facts) == Refuse(reason=Refusal.UNFINISHED)
    assert rule.decide(book, call("b"), facts) == Refuse(reason=Refusal.UNRECORDED)


def parallel_equal_samples_are_two_calls(rule: Rule) -> None:
    book, sample = rule.Book(attempt=1), call(effect=READ, kind=Kind.MODEL)
    book.open(book.next(sample), sample)
    assert rule.decide(book, sample, Facts()) == GoLive(row=book.next(sample))
    assert book.next(sample).occurrence == 2


def equal_writes_wait_for_each_other(rule: Rule) -> None:
    book = rule.Book(attempt=1)
    book.open(book.next(call()), call())
    assert rule.decide(book, call(), Facts()) == Wait(reason=Patience.TWIN)


def a_run_on_a_fixture_acts_as_a_live_one(rule: Rule) -> None:
    book, facts = rule.Book(attempt=1), Facts(mode=Mode.FIXTURE)
    question = call(effect=READ, kind=Kind.WAIT)
    for arrival in (call(), call(effect=READ), call(effect=READ, kind=Kind.MODEL), question):
        assert rule.decide(book, arrival, facts) == GoLive(row=book.next(arrival))


def what_a_fixture_had_not_answered_is_answered_again(rule: Rule) -> None:
    facts = Facts(mode=Mode.FIXTURE)
    for cut in (*(row(effect=each) for each in Effect), row(kind=Kind.WAIT, effect=READ)):
        book = rule.Book(attempt=2, rows=[cut])
        arrival = call(effect=cut.effect, kind=cut.kind)
        assert rule.decide(book, arrival, facts) == Redo(row=replace(cut, attempt=2))


def a_shadow_reads_for_itself_only_what_it_may(rule: Rule) -> None:
    book, facts = rule.Book(attempt=1), Facts(mode=Mode.SHADOW)
    assert rule.decide(book, call(effect=READ), facts) == Refuse(reason=Refusal.SHADOW_READ)
    assert isinstance(rule.decide(book, call(effect=READ, shadowed=True), facts), GoLive)


def a_shadow_takes_results_and_nothing_less(rule: Rule) -> None:
    book = rule.Book(attempt=1, rows=[row(effect=READ, borrowed=True)])
    facts = Facts(mode=Mode.SHADOW)
    assert rule.decide(book, call(effect=READ), facts) == Refuse(reason=Refusal.SHADOW_READ)


def a_shadow_waits_for_nothing(rule: Rule) -> None:
    book = rule.Book(attempt=1, rows=[row(borrowed=True, **RESULT)])
    sample = call(effect=READ, kind=Kind.MODEL)
    decision = rule.decide(book, sample, Facts(mode=Mode.SHADOW))
    assert decision == GoLive(row=book.next(sample))


def a_write_needs_no_mask(rule: Rule) -> None:
    book = rule.Book(attempt=2, rows=[row(effect=READ, **RESULT)])
    assert not book.wants_mask(call("b"))
    assert book.wants_mask(call("b", READ))
    assert not book.wants_mask(call(effect=READ))


def a_run_ends_only_when_nothing_waits(rule: Rule) -> None:
    book = rule.Book(attempt=1)
    assert rule.finish(book) == Finished()
    book.wait(call())
    assert rule.finish(book) == Wait(reason=Patience.SETTLING)
    book.go(call(), dropped=True)
    assert rule.finish(book) == Finished()


def a_number_that_lost_power_has_freed_is_given_again(rule: Rule) -> None:
    rows = [row(seq, occurrence=seq, effect=READ, **RESULT) for seq in (1, 3)]
    assert rule.Book(attempt=2, rows=rows).next(call(effect=READ)).occurrence == 2


def the_retry_of_a_call_that_never_began_is_a_first_call(rule: Rule) -> None:
    book = rule.Book(attempt=1)
    told = book.next(call())
    book.open(told, call())
    book.settle(told.seq, RowState.DONE, "x")
    book.deliver(told.seq)
    for _ in range(2):
        book.wait(call())
        book.go(call(), dropped=True)
    for _ in range(2):
        retry = book.receive(call(retry=True))
        assert rule.decide(book, retry, Facts()) == GoLive(row=book.next(call()))
    for _ in range(2):
        retry = book.receive(call(retry=True))
        assert rule.decide(book, retry, Facts()) == Attach(row=book[told.seq])
    book.wait(call())
    retry = book.receive(call(retry=True))
    assert rule.decide(book, retry, Facts()) == GoLive(row=book.next(call()))


def a_shadow_that_goes_on_takes_no_model_answer_by_its_mask(rule: Rule) -> None:
    lent = row(1, kind=Kind.MODEL, effect=READ, borrowed=True, **RESULT)
    own = row(2, kind=Kind.MODEL, effect=READ, key="b", **RESULT)
    book = rule.Book(attempt=2, rows=[lent, own])
    book.learn_masks(lambda it: f"mask of {it.key}")
    asked = call("c", READ, kind=Kind.MODEL, mask="mask of a")
    assert rule.decide(book, asked, Facts(mode=Mode.SHADOW)) == Wait(reason=Patience.REST)


EXAMPLES: Final[dict[str, Callable[[Rule], None]]] = {
    example.__name__: example
    for example in (
        an_unfinished_write_becomes_an_intent_of_this_attempt_before_it_goes_out,
        the_recorded_class_counts_and_not_that_of_a_later_release,
        a_result_answers_before_an_older_call_that_was_cut,
        who_comes_back_to_a_call_that_waits_for_a_person_waits_for_him_too,
        a_write_that_is_not_recorded_is_held_and_in_the_end_diverges,
        a_read_is_not_held_for_a_write,
        a_write_is_not_held_for_a_read,
        a_model_call_that_was_cut_makes_no_run_diverge,
        a_strict_replay_refuses_what_has_no_result,
        parallel_equal_samples_are_two_calls,
        a_run_on_a_fixture_acts_as_a_live_one,
        what_a_fixture_had_not_answered_is_answered_again,
        equal_writes_wait_for_each_other,
        a_shadow_reads_for_itself_only_what_it_may,
        a_shadow_takes_results_and_nothing_less,
        a_shadow_waits_for_nothing,
        a_write_needs_no_mask,
        a_run_ends_only_when_nothing_waits,
        a_number_that_lost_power_has_freed_is_given_again,
        the_retry_of_a_call_that_never_began_is_a_first_call,
        a_shadow_that_goes_on_takes_no_model_answer_by_its_mask,
    )
}
