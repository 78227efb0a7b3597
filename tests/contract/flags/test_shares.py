from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.contract.flags.shares import HASHES, ShareImpossible, moved, reweighted
from seatrial.contract.flags.splits import LARGEST_TOTAL, Generation, Shares, shares_of
from tests.contract.flags.writing import NOW, document, taken

Arms = list[tuple[str, int]]
NAMES = ("a", "b", "c", "d", "e")
ARMS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 100)), min_size=1, max_size=7)
SHARES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), min_size=1)
USERS = [f"user-{number}" for number in range(300)]


def shares(arms: Arms) -> Shares:
    found = shares_of([list(arm) for arm in arms])
    assert found is not None
    return found


def weights(arms: Arms) -> dict[str, int]:
    return {name: sum(size for other, size in arms if other == name) for name, _ in arms}


@given(arms=ARMS, wanted=SHARES)
def test_only_the_users_who_must_move_do(arms: Arms, wanted: dict[str, int]) -> None:
    assume(sum(wanted.values()) and sum(weight for _, weight in arms))
    after = reweighted(arms, wanted)
    total, have, old = sum(weights(after).values()), weights(after), weights(arms)
    was, will_be = sum(old.values()), sum(wanted.values())
    for name in {*old, *wanted}:
        assert have.get(name, 0) * will_be == wanted.get(name, 0) * total
    moves = moved(shares(arms), shares(after))
    for (loser, winner), hashes in moves.items():
        assert hashes > 0
        assert old[loser] * will_be > wanted.get(loser, 0) * was
        assert old.get(winner, 0) * will_be < wanted[winner] * was


@given(arms=ARMS)
def test_the_same_shares_leave_everybody_in_place(arms: Arms) -> None:
    assume(sum(weight for _, weight in arms))
    assert moved(shares(arms), shares(reweighted(arms, weights(arms)))) == {}


@pytest.mark.parametrize("generation", list(Generation))
@given(
    others=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    place=st.integers(0, 6),
)
def test_a_growing_weight_only_adds_people_whatever_the_arms(
    generation: Generation, others: list[int], place: int
) -> None:
    """From 1 to 5, 25, 50 and 100 %, the rest taken from the other arms in proportion."""
    arms: Arms = [(f"arm-{at}", weight * 100) for at, weight in enumerate(others)]
    arms.insert(min(place, len(arms)), ("new", 0))
    rest, whole = dict(arms), 100 * sum(others)
    reached = []
    for percent in (1, 5, 25, 50, 100):
        wanted = {name: weight * (100 - percent) // 100 for name, weight in rest.items()}
        wanted["new"] = whole - sum(wanted.values())
        arms = reweighted(arms, wanted)
        reached.append(_users_of("new", arms, generation))
    assert all(earlier <= later for earlier, later in pairwise(reached))
    assert reached[-1] == set(USERS)


def test_the_first_and_the_last_arm_grow_by_a_plain_edit_too() -> None:
    for order in ((0, 1), (1, 0)):
        reached = []
        for percent in (1, 5, 25, 50, 100):
            arms = [("new", percent), ("old", 100 - percent)]
            reached.append(_users_of("new", [arms[at] for at in order], Generation.V2))
        assert all(earlier <= later for earlier, later in pairwise(reached))


def _users_of(name: str, arms: Arms, generation: Generation) -> set[str]:
    variants = {arm: arm for arm, _ in arms}
    rule = {"fractional": [list(arm) for arm in arms]}
    definition = taken(document(targeting=rule, variants=variants, defaultVariant=None), generation)
    return {
        user
        for user in USERS
        if definition.evaluate("f", {"targetingKey": user}, NOW).variant == name
    }


@pytest.mark.parametrize(
    ("arms", "wanted", "after"),
    [
        ([("on", 5), ("off", 95)], {"on": 25, "off": 75}, [("on", 25), ("off", 75)]),
        ([("off", 95), ("on", 5)], {"on": 25, "off": 75}, [("off", 75), ("on", 25)]),
        ([("a", 5), ("b", 5), ("c", 90)], {"a": 25, "b": 5, "c": 70},
         [("a", 5), ("b", 5), ("c", 70), ("a", 20)]),
        ([("on", 25), ("off", 75)], {"on": 5, "off": 95}, [("on", 5), ("off", 95)]),
        ([("on", 1), ("off", 1)], {"on": 75, "off": 25}, [("on", 75), ("off", 25)]),
        ([("off", 100)], {"on": 1, "off": 99}, [("off", 99), ("on", 1)]),
        ([("on", 1), ("off", 2)], {"on": 50, "off": 50}, [("on", 50), ("off", 50)]),
        ([("on", 1), ("off", 2)], {"on": 1, "off": 1}, [("on", 1), ("off", 1)]),
    ],
)  # fmt: skip
def test_arms_stay_few_and_readable(arms: Arms, wanted: dict[str, int], after: Arms) -> None:
    assert reweighted(arms, wanted) == after


@pytest.mark.parametrize(
    ("arms", "wanted"),
    [
        ([("on", 1)], {"on": 0}),
        ([("on", 0)], {"on": 1}),
        ([("on", 1)], {}),
        ([("on", 1)], {"on": 2, "off": -1}),
        ([("on", LARGEST_TOTAL)], {"on": 1, "off": 1}),
    ],
)
def test_shares_that_cannot_be_laid_out_are_refused(arms: Arms, wanted: dict[str, int]) -> None:
    with pytest.raises(ShareImpossible):
        reweighted(arms, wanted)


@given(before=ARMS, after=ARMS)
def test_moves_are_exact(before: Arms, after: Arms) -> None:
    assume(sum(weight for _, weight in before) and sum(weight for _, weight in after))
    old, new = shares(before), shares(after)
    moves = moved(old, new)
    probes = range(0, HASHES, HASHES // 97)
    seen = {
        (old.variant(drawn), new.variant(drawn))
        for drawn in probes
        if old.variant(drawn) != new.variant(drawn)
    }
    assert seen <= moves.keys()
    assert sum(moves.values()) <= HASHES


def test_the_border_between_two_arms_is_exact_to_one_hash() -> None:
    third = shares([("a", 1), ("b", 2)])
    border = -(-HASHES // 3)
    assert (third.variant(border - 1), third.variant(border)) == ("a", "b")
    assert moved(third, shares([("b", 1)])) == {("a", "b"): border}
