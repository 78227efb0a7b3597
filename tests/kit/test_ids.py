import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.clock import SystemClock, VirtualClock
from seatrial.kit.ids import IdMalformed, Ids, born

START = datetime(2030, 1, 1, tzinfo=UTC)
_INSTANTS = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - bounds are naive by the strategy's own rule
    datetime(9999, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


@given(_INSTANTS, st.integers(0, 2**80 - 1))
def test_an_id_tells_when_it_was_made(instant: datetime, noise: int) -> None:
    made = Ids(VirtualClock(instant), lambda _: noise).new("run")
    assert abs(born(made, "run") - instant) < timedelta(milliseconds=2)


@given(st.lists(st.floats(0, 0.01), min_size=2, max_size=50), st.randoms(use_true_random=False))
def test_ids_of_one_source_rise_as_text(steps: list[float], random: object) -> None:
    clock = VirtualClock(START)
    ids = Ids(clock, random.getrandbits)  # type: ignore[attr-defined] # a random.Random
    made = []
    for step in steps:
        clock.advance(step)
        made.append(ids.new("run"))
    assert made == sorted(set(made))


def test_ids_rise_even_if_the_wall_clock_steps_back_and_chance_repeats() -> None:
    later = Ids(VirtualClock(START), lambda _: 2**80 - 1)
    first = later.new("run")
    later._clock = VirtualClock(START - timedelta(hours=1))
    assert later.new("run") > first


def test_threads_never_share_an_id() -> None:
    ids = Ids(SystemClock())
    made: list[str] = []

    def work() -> None:
        made.extend([ids.new("run") for _ in range(500)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000


_GOOD = Ids(VirtualClock(START), lambda _: 12_345).new("run")  # the same in every worker


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run",
        "run_",
        _GOOD[:-1],
        _GOOD + "0",
        _GOOD.upper(),
        _GOOD + "\n",
        "cell" + _GOOD[3:],
        "run_" + "u" * 26,
        "run_8" + "0" * 25,
        "run_" + "\u0660" * 26,
    ],
)
def test_what_is_not_an_id_of_that_kind_is_refused(text: str) -> None:
    with pytest.raises(IdMalformed):
        born(text, "run")


@pytest.mark.parametrize("kind", ["", "R", "a", "run_", "x" * 13, "runs\n"])
def test_a_kind_is_a_short_word(kind: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        Ids(SystemClock()).new(kind)
