"""The decision: total, level-triggered, and never backwards."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.switch.domain import (
    Action,
    Examined,
    Flip,
    Nothing,
    Prepare,
    Prepared,
    Refusal,
    Refuse,
    Refused,
    Standing,
    Wanted,
    Why,
    decide,
    unsaid,
)
from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.switch.desired import Heard
from seatrial.kit.crypto.digests import Digest
from tests.contract.making import closure, release

AT = datetime(2030, 1, 1, tzinfo=UTC)
CLOSURES = [closure(), closure([release(prompt="one")]), closure([release(prompt="two")])]
NAMES = [Digest.of(b"%d" % number) for number in range(3)]

generations = st.integers(0, 5)
closures = st.sampled_from(CLOSURES)
names = st.sampled_from(NAMES)
orders = st.builds(
    Examined,
    generation=generations,
    previous=generations,
    base=names,
    verb=st.sampled_from(Verb),
    closure=closures,
    proposal=names,
    committed=st.just(None),
)
refusals = st.builds(
    Refusal,
    generation=generations,
    closure=names,
    proposal=names,
    why=st.sampled_from(Why),
    detail=st.sampled_from(["", "so"]),
)
wanted = st.none() | orders | refusals
prepared = st.builds(
    Prepared, generation=generations, closure=closures, proposal=names, at=st.just(AT)
)
refused = st.builds(
    Refused,
    generation=generations,
    closure=names,
    proposal=names,
    reason=st.sampled_from([f"{why}: so" for why in Why]),
    at=st.just(AT),
)
standings = st.builds(
    Standing,
    cell=st.just("production"),
    generation=generations,
    closure=closures,
    prepared=st.none() | prepared,
    refused=st.none() | refused,
)


def _subject(action: Action) -> Examined | Refusal | None:
    if isinstance(action, Nothing):
        return None
    return action.refusal if isinstance(action, Refuse) else action.order


@given(standing=standings, committed=wanted, proposed=wanted)
def test_it_always_decides_and_only_forward(
    standing: Standing, committed: Wanted, proposed: Wanted
) -> None:
    action = decide(standing, committed, proposed)
    subject = _subject(action)
    assert subject is None or subject.generation > standing.generation
    assert action == decide(standing, committed, proposed)


@given(standing=standings, committed=wanted, proposed=wanted)
def test_only_what_is_committed_and_prepared_comes_into_force(
    standing: Standing, committed: Wanted, proposed: Wanted
) -> None:
    action = decide(standing, committed, proposed)
    if isinstance(action, Flip):
        assert action.order is committed
        assert standing.prepared is not None
        assert standing.prepared.closure == action.order.closure
        assert standing.prepared.generation == action.order.generation


@given(standing=standings, committed=orders, proposed=wanted)
def test_what_is_committed_goes_before_what_is_proposed(
    standing: Standing, committed: Examined, proposed: Wanted
) -> None:
    action = decide(standing, committed, proposed)
    if committed.generation > standing.generation:
        assert _subject(action) is committed


@given(standing=standings, committed=wanted, proposed=wanted)
def test_done_it_is_done(standing: Standing, committed: Wanted, proposed: Wanted) -> None:
    """Carry the decision out, and the same wishes lead on to nothing in at most two steps."""
    for _ in range(4):
        action = decide(standing, committed, proposed)
        match action:
            case Nothing():
                return
            case Prepare(order=order):
                ready = Prepared(
                    generation=order.generation,
                    closure=order.closure,
                    proposal=order.proposal,
                    at=AT,
                )
                standing = replace(standing, prepared=ready)
            case Flip(order=order):
                standing = replace(
                    standing,
                    generation=order.generation,
                    closure=order.closure,
                    prepared=None,
                    refused=None,
                )
            case Refuse(refusal=refusal):
                known = Refused(
                    generation=refusal.generation,
                    closure=refusal.closure,
                    proposal=refusal.proposal,
                    reason=refusal.reason,
                    at=AT,
                )
                standing = replace(standing, refused=known)
    raise AssertionError("it goes on for ever")


@given(
    standing=standings,
    heard=st.builds(
        Heard,
        current=generations,
        prepared=st.none() | generations,
        refused=st.none() | generations,
    ),
)
def test_control_hears_all_that_it_has_not_heard_and_nothing_twice(
    standing: Standing, heard: Heard
) -> None:
    sayings = {saying.step: saying for saying in unsaid(standing, AT, heard)}
    assert (Step.COMMITTED in sayings) == (standing.generation > heard.current)
    now = Heard(
        current=max(standing.generation, heard.current),
        prepared=sayings[Step.PREPARED].generation if Step.PREPARED in sayings else heard.prepared,
        refused=sayings[Step.REFUSED].generation if Step.REFUSED in sayings else heard.refused,
    )
    assert unsaid(standing, AT, now) == ()


def test_what_follows_a_generation_that_is_not_in_force_here_has_to_wait() -> None:
    standing = Standing(cell="production", generation=1, closure=CLOSURES[0])
    order = Examined(
        generation=3,
        previous=2,
        base=NAMES[0],
        verb=Verb.PROMOTE,
        closure=CLOSURES[1],
        proposal=NAMES[1],
        committed=None,
    )
    assert decide(standing, None, order) == Nothing()
    assert decide(standing, order, None) == Prepare(order=order)
    assert decide(replace(standing, generation=2), None, order) == Prepare(order=order)


def test_what_was_refused_later_or_for_the_same_cause_is_not_refused_again() -> None:
    known = Refused(
        generation=2, closure=NAMES[0], proposal=NAMES[0], reason="gates_unmet: 1 of 2", at=AT
    )
    standing = Standing(cell="production", generation=0, closure=CLOSURES[0], refused=known)
    again = Refusal(
        generation=2, closure=NAMES[0], proposal=NAMES[0], why=Why.GATES, detail="0 of 2"
    )
    older = replace(again, generation=1, proposal=NAMES[1])
    other = replace(again, why=Why.REVOKED)
    newer = replace(again, generation=3, proposal=NAMES[2])
    assert decide(standing, again, None) == decide(standing, older, None) == Nothing()
    assert decide(standing, None, older) == Nothing()
    assert decide(standing, other, None) == Refuse(refusal=other)
    assert decide(standing, newer, None) == Refuse(refusal=newer)
