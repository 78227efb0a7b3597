"""What conversations came to in numbers, and two releases beside each other."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.recordings.comparison import compare
from seatrial.data.recordings.domain import (
    NothingToCompare,
    RecordedCall,
    Recording,
    RecordingRefused,
    Step,
    Turn,
)
from seatrial.data.recordings.figures import Figures
from seatrial.data.recordings.service import figures, save

NAMES = ("first.jsonl", "second.jsonl")


def come_to(
    name: str,
    *,
    ok: bool | None = None,
    cost: float | None = 0.01,
    seconds: tuple[float, ...] = (),
    path: tuple[str, ...] = (),
) -> Figures:
    return Figures(
        name=name,
        release="shop@1",
        succeeded=ok,
        path=path,
        tokens=10,
        cost_usd=cost,
        seconds=seconds,
    )


def step(seconds: float | None, *, cost: float | None = 0.002, call: str = "") -> Step:
    calls = (RecordedCall(id="1", name=call, arguments={}, result=""),) if call else ()
    return Step(
        content="so", calls=calls, input_tokens=5, output_tokens=2, cost_usd=cost, seconds=seconds
    )


def test_a_recording_comes_to_what_its_steps_say() -> None:
    turns = (
        Turn(said="a", steps=(step(1.0, call="look"), step(0.5))),
        Turn(said="b", steps=(step(2.0), step(None, cost=None, call="act")), cut=True),
    )
    found = Figures.of(Recording(name="1/0", model="gpt-4.1", turns=turns, succeeded=True))
    assert found == Figures(
        name="1/0",
        release="gpt-4.1",
        succeeded=True,
        path=("look", "act"),
        tokens=28,
        cost_usd=0.006,
        seconds=(1.5,),  # nobody waited for the answer that was cut
    )


def test_a_recording_of_the_person_alone_comes_to_nothing_that_is_not_known() -> None:
    found = Figures.of(Recording(name="1", turns=(Turn(said="a"), Turn(said="b"))))
    assert (found.tokens, found.cost_usd, found.seconds, found.path) == (None, None, (), ())


def test_a_file_of_either_kind_is_read_and_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    recording = Recording(name="a", model="m", turns=(Turn(said="a", steps=(step(1.0),)),))
    save([come_to("b", ok=True)], path)
    played = path.read_bytes()
    save([recording], path)
    path.write_bytes(path.read_bytes() + b"\n" + played)
    assert figures(path) == [Figures.of(recording), come_to("b", ok=True)]
    path.write_bytes(played + b'{"schema_name":"seatrial/figures/v1","name":1}\n')
    with pytest.raises(RecordingRefused, match="line 2: name"):
        figures(path)
    path.write_bytes(played + played)
    with pytest.raises(RecordingRefused, match="two are named"):
        figures(path)


def test_two_releases_are_compared_on_what_both_had() -> None:
    first = [
        come_to("a", ok=True, seconds=(1.0, 3.0), path=("x",)),
        come_to("b", ok=True, cost=0.03),
        come_to("c", ok=False),
        come_to("only", ok=True),
    ]
    second = [
        come_to("c", ok=True, path=("y",)),
        come_to("b", ok=False),
        come_to("a", ok=True, cost=None, path=("x",)),
    ]
    found = compare(first, second, NAMES)
    assert [(a.name, b.name) for a, b in found.pairs] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert (found.gained, found.lost, found.left_out) == (["c"], ["b"], ("only",))
    assert (found.chance, found.same_path) == (1.0, 2)
    assert found.first.cost_usd == pytest.approx(0.05 / 3)
    assert found.first.cost_a_success == pytest.approx(0.05 / 2)
    assert (found.first.median_seconds, found.first.slow_seconds) == (2.0, 3.0)
    # One price is not known, so no sum is: a part of it would look like the whole.
    assert (found.second.cost_usd, found.second.cost_a_success) == (None, None)
    assert found.difference is not None
    assert found.difference.low < 0 == found.difference.estimate < found.difference.high


def test_without_verdicts_nothing_is_said_of_success_and_without_pairs_nothing_at_all() -> None:
    found = compare([come_to("a")], [come_to("a")], NAMES)
    assert (found.first.solved, found.difference, found.gained, found.lost) == (None, None, [], [])
    with pytest.raises(NothingToCompare, match=r"first\.jsonl"):
        compare([come_to("a")], [come_to("b")], NAMES)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_other_way_round_gains_are_losses(verdicts: list[tuple[bool, bool]]) -> None:
    first = [come_to(str(n), ok=a) for n, (a, _) in enumerate(verdicts)]
    second = [come_to(str(n), ok=b) for n, (_, b) in enumerate(verdicts)]
    there, back = compare(first, second, NAMES), compare(second, first, NAMES)
    assert (there.gained, there.lost) == (back.lost, back.gained)
    assert there.chance == back.chance
    assert there.difference is not None
    assert back.difference is not None
    assert there.difference.low == pytest.approx(-back.difference.high)
    solved = there.first.solved
    assert solved is not None
    assert solved.successes == sum(a for a, _ in verdicts)
