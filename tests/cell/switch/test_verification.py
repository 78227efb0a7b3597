"""What a cell lets come into force, and by what name it refuses the rest."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.cell.switch.domain import Examined, Refusal, Standing, Why, agents_digest
from seatrial.cell.switch.verification import examined, judged, may_return
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import GateRule, Profile
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.releases.components import Limits
from seatrial.contract.switch.desired import Ordered
from seatrial.kit.crypto.digests import Digest
from tests.cell.switch.seamarks import ordered, proofs
from tests.contract.making import NOW, Crew, closure, release

CREW = Crew()
RING = CREW.keyring()
ONE, TWO = release(prompt="one"), release(prompt="two")
TOY = release(agent="toy")
EMPTY = closure()
FIRST, SECOND = closure([ONE]), closure([TWO])
START = Standing(
    cell="production", generation=0, closure=EMPTY, lived=frozenset({agents_digest(EMPTY)})
)
LATER = Standing(
    cell="production",
    generation=2,
    closure=SECOND,
    lived=frozenset(map(agents_digest, (EMPTY, FIRST, SECOND))),
)
PROOFS = proofs(CREW, FIRST, EMPTY, [ONE])
GOOD = ordered(CREW, FIRST, EMPTY, evidence=PROOFS)


def why(ordered: Ordered, standing: Standing = START, at: Any = NOW) -> Why | None:
    """The reason of the refusal, whichever step finds it."""
    order = examined(ordered, standing, RING)
    if isinstance(order, Refusal):
        return order.why
    known = {each.name: each for each in (ONE, TWO, TOY)}
    found = judged(order, ordered.evidence, standing, RING, known, at)
    return None if found is None else found.why


def test_an_order_with_its_proofs_is_let_in() -> None:
    order = examined(GOOD, START, RING)
    assert isinstance(order, Examined)
    assert (order.generation, order.closure, order.committed) == (1, FIRST, None)
    assert why(GOOD) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": CREW.stranger}, Why.SIGNATURE),
        ({"key": CREW.production}, Why.SIGNATURE),
        ({"environment": "staging"}, Why.ENVIRONMENT),
        ({"previous": 1}, Why.GENERATION),
        ({"base": FIRST.digest}, Why.BASE),
        ({"verb": Verb.DEPLOY}, Why.VERB),
        ({"verb": Verb.CONFIGURE}, Why.GATES),
        ({"verb": Verb.ROLLBACK}, Why.GATES),
        ({"evidence": ()}, Why.GATES),
        ({"evidence": PROOFS[1:]}, Why.GATES),
        ({"evidence": [PROOFS[0], *PROOFS[2:]]}, Why.GATES),
        ({"evidence": PROOFS[:-1]}, Why.GATES),
        ({"committed": NOW, "commit_key": CREW.stranger}, Why.SIGNATURE),
        ({"committed": NOW, "commit_changes": {"generation": 2}}, Why.COMMIT),
        ({"committed": NOW, "commit_changes": {"environment": "staging"}}, Why.COMMIT),
        ({"committed": NOW, "commit_changes": {"prepared": ()}}, Why.PREMATURE),
        ({"committed": NOW, "commit_changes": {"prepared": ("other",)}}, Why.PREMATURE),
    ],
)
def test_every_flaw_has_its_name(changes: dict[str, Any], reason: Why) -> None:
    given = {"evidence": PROOFS} | changes
    assert why(ordered(CREW, FIRST, EMPTY, **given)) is reason


def test_a_required_cell_may_be_left_out_by_name() -> None:
    words = {"prepared": (), "excluded": ("production",)}
    made = ordered(CREW, FIRST, EMPTY, evidence=PROOFS, committed=NOW, commit_changes=words)
    assert why(made) is None


def test_a_commit_of_another_closure_is_no_commit() -> None:
    other = ordered(CREW, SECOND, EMPTY, committed=NOW)
    made = GOOD.model_copy(update={"commit": other.commit})
    assert why(made) is Why.COMMIT


def test_a_proposal_is_no_commit_and_a_commit_no_proposal() -> None:
    full = ordered(CREW, FIRST, EMPTY, evidence=PROOFS, committed=NOW)
    assert full.commit is not None
    assert why(GOOD.model_copy(update={"commit": GOOD.proposal})) is Why.MALFORMED
    assert why(GOOD.model_copy(update={"proposal": full.commit})) is Why.MALFORMED


def test_another_closure_than_the_signed_one_is_refused() -> None:
    assert why(GOOD.model_copy(update={"closure": SECOND})) is Why.CLOSURE
    renamed = FIRST.agents["support"].model_copy(update={"name": "support@9"})
    other = FIRST.model_copy(update={"agents": {"support": renamed}})
    assert why(GOOD.model_copy(update={"closure": other})) is Why.CLOSURE


def test_evidence_that_control_did_not_sign_for_is_refused() -> None:
    more = (*GOOD.evidence, CREW.provenance(TWO).decode())
    assert why(GOOD.model_copy(update={"evidence": more})) is Why.EVIDENCE
    assert why(GOOD.model_copy(update={"evidence": GOOD.evidence[1:]})) is Why.EVIDENCE


def test_what_is_old_is_refused() -> None:
    assert why(GOOD, LATER) is Why.GENERATION
    late = ordered(CREW, FIRST, EMPTY, 3, previous=1, evidence=PROOFS)
    assert why(late, LATER) is Why.BASE


def test_control_alone_can_not_change_the_rules() -> None:
    lax = EMPTY.rules.model_copy(update={"gates": (GateRule(gate="provenance"),)})
    looser = Closure(environment="production", agents=FIRST.agents, rules=lax)
    made = ordered(CREW, looser, EMPTY, evidence=proofs(CREW, looser, EMPTY, [ONE]))
    assert why(made) is Why.GATES
    configured = Closure(environment="production", agents={}, rules=lax)
    unsigned = ordered(CREW, configured, EMPTY, verb=Verb.CONFIGURE)
    assert why(unsigned) is Why.GATES
    order = CREW.order(configured, EMPTY, CREW.releaser, verb=Verb.CONFIGURE)
    signed = ordered(CREW, configured, EMPTY, verb=Verb.CONFIGURE, evidence=[order])
    assert why(signed) is None


def test_the_rules_are_those_in_force_here_not_those_that_control_would_like() -> None:
    strict = Closure(
        environment="production", agents={}, rules=rules_of(Profile.TEAM, "production")
    )
    here = replace(START, closure=strict)
    after = Closure(environment="production", agents=FIRST.agents, rules=strict.rules)
    made = ordered(CREW, after, strict, evidence=proofs(CREW, after, strict, [ONE]))
    assert why(made, here) is Why.GATES


def back(to: Closure = FIRST, **changes: Any) -> Ordered:
    return ordered(CREW, to, SECOND, 3, verb=Verb.ROLLBACK, **changes)


def test_the_way_back_needs_no_proof() -> None:
    assert why(back(), LATER) is None
    assert why(back(committed=NOW + timedelta(days=900)), LATER) is None


def test_the_way_back_leads_only_to_where_this_cell_was() -> None:
    young = replace(LATER, lived=frozenset({agents_digest(SECOND)}))
    assert why(back(), young) is Why.GATES
    mixed = closure([ONE, release(agent="sales")])
    assert why(back(mixed), LATER) is Why.GATES


def test_the_way_back_keeps_the_rules() -> None:
    other = Closure(
        environment="production",
        agents=FIRST.agents,
        rules=SECOND.rules.model_copy(update={"session_idle_seconds": 1}),
    )
    assert why(back(other), LATER) is Why.GATES
    order = examined(back(other), LATER, RING)
    assert isinstance(order, Examined)
    assert not may_return(order, LATER)


def test_only_a_rollback_goes_back_without_proof() -> None:
    assert why(ordered(CREW, FIRST, SECOND, 3), LATER) is Why.GATES


@pytest.mark.parametrize("name", ["support@1", "toy@1"])
def test_no_agent_runs_what_is_anothers(name: str) -> None:
    """A toy has every proof of its own, and may not answer in the name of what matters."""
    swapped = Active(release=TOY.name, name=name)
    after = FIRST.model_copy(update={"agents": {"support": swapped}})
    made = ordered(CREW, after, EMPTY, evidence=proofs(CREW, after, EMPTY, [TOY]))
    assert why(made) is Why.RELEASE


def test_what_was_ordered_once_is_not_carried_out_again() -> None:
    """Rules were loosened by an order that still counts, and tightened again."""
    lax = EMPTY.model_copy(update={"rules": rules_of(Profile.SOLO, "production")})
    strict = EMPTY.model_copy(update={"rules": rules_of(Profile.TEAM, "production")})
    order = CREW.order(lax, strict, CREW.author, CREW.releaser, verb=Verb.CONFIGURE, previous=4)
    for present, found in ((4, None), (6, Why.GATES)):
        here = replace(START, generation=present, closure=strict)
        made = ordered(CREW, lax, strict, present + 1, verb=Verb.CONFIGURE, evidence=[order])
        assert why(made, here) is found


def test_what_was_revoked_comes_back_by_no_road() -> None:
    barred = replace(LATER, revoked=frozenset({ONE.name}))
    assert why(back(), barred) is Why.REVOKED
    proved = ordered(
        CREW, FIRST, SECOND, 3, evidence=proofs(CREW, FIRST, SECOND, [ONE], previous=2)
    )
    assert why(proved, LATER) is None
    assert why(proved, barred) is Why.REVOKED


def test_an_order_lapses_by_this_cells_clock_until_it_is_committed() -> None:
    evidence = proofs(CREW, FIRST, EMPTY, [ONE], not_after=NOW + timedelta(minutes=1))
    late = NOW + timedelta(minutes=2)
    assert why(ordered(CREW, FIRST, EMPTY, evidence=evidence), at=late) is Why.GATES
    assert why(ordered(CREW, FIRST, EMPTY, evidence=evidence, committed=NOW), at=late) is None
    assert why(ordered(CREW, FIRST, EMPTY, evidence=evidence, committed=late), at=NOW) is Why.GATES


def test_a_cell_that_lags_is_judged_by_what_it_runs() -> None:
    """Control is at 4, this cell at 0: the order was signed for what control had in force."""
    made = ordered(
        CREW,
        SECOND,
        FIRST,
        4,
        previous=3,
        evidence=proofs(CREW, SECOND, FIRST, [TWO], previous=3),
        committed=NOW,
    )
    assert why(made) is None


def test_limits_are_read_from_the_release_itself() -> None:
    rules = EMPTY.rules.model_copy(
        update={"gates": (GateRule(gate="limits_set", terms={"limits": ["steps"]}),)}
    )
    before = Closure(environment="production", agents={}, rules=rules)
    after = Closure(environment="production", agents=FIRST.agents, rules=rules)
    here = replace(START, closure=before)
    order = examined(ordered(CREW, after, before), here, RING)
    assert isinstance(order, Examined)
    refused = judged(order, (), here, RING, {ONE.name: ONE}, NOW)
    assert refused is not None
    assert "limits_set (support) unmet: not set: steps" in refused.reason
    bounded = release(prompt="one", limits=Limits(steps=5))
    after = after.model_copy(update={"agents": closure([bounded]).agents})
    order = examined(ordered(CREW, after, before), here, RING)
    assert isinstance(order, Examined)
    assert judged(order, (), here, RING, {bounded.name: bounded}, NOW) is None


def test_rules_without_a_gate_let_nothing_in_but_what_is_coherent() -> None:
    unknown = EMPTY.rules.model_copy(update={"gates": (GateRule(gate="clairvoyance"),)})
    before = Closure(environment="production", agents={}, rules=unknown)
    after = Closure(environment="production", agents=FIRST.agents, rules=unknown)
    here = replace(START, closure=before)
    made = ordered(CREW, after, before, evidence=proofs(CREW, after, before, [ONE]))
    assert why(made, here) is Why.GATES


_PARTS = ("proposal", "commit", 0, 1, 2)


@settings(max_examples=150)
@given(part=st.sampled_from(_PARTS), data=st.data())
def test_one_changed_byte_of_what_was_signed_is_refused(
    part: str | int, data: st.DataObject
) -> None:
    full = ordered(CREW, FIRST, EMPTY, evidence=PROOFS, committed=NOW)
    text = full.evidence[part] if isinstance(part, int) else getattr(full, part)
    envelope = orjson.loads(text)
    field = data.draw(st.sampled_from(("payload", "sig")))
    held = envelope["signatures"][0] if field == "sig" else envelope
    content = bytearray(base64.b64decode(held[field]))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    held[field] = base64.b64encode(content).decode()
    changed = orjson.dumps(envelope).decode()
    if isinstance(part, int):
        evidence = [*full.evidence[:part], changed, *full.evidence[part + 1 :]]
        made = full.model_copy(update={"evidence": tuple(evidence)})
        assert why(made) is Why.EVIDENCE
        signed_for = ordered(CREW, FIRST, EMPTY, evidence=[each.encode() for each in evidence])
        assert why(signed_for) is Why.GATES
    else:
        made = full.model_copy(update={part: changed})
        assert why(made) in {Why.SIGNATURE, Why.MALFORMED}


@given(text=st.text(max_size=40))
def test_whatever_stands_in_an_envelopes_place_is_refused(text: str) -> None:
    assert why(GOOD.model_copy(update={"proposal": text})) in {Why.SIGNATURE, Why.MALFORMED}
    assert why(GOOD.model_copy(update={"commit": text})) in {Why.SIGNATURE, Why.MALFORMED}


def test_a_reason_is_never_longer_than_a_report_takes() -> None:
    long = Refusal(
        generation=1,
        closure=FIRST.digest,
        proposal=Digest.of(b""),
        why=Why.GATES,
        detail="x" * 9_000,
    )
    assert len(long.reason) == 2_000


def test_a_reason_can_be_kept_whatever_an_agent_raised() -> None:
    odd = Refusal(
        generation=1,
        closure=FIRST.digest,
        proposal=Digest.of(b""),
        why=Why.UNPREPARED,
        detail="entry\0broken\udcff\nwith é",
    )
    assert odd.reason == "prepare_failed: entry broken  with é"
