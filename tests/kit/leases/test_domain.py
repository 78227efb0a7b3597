import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.leases.domain import PATIENCE, refuse_unfit_times, tenure

_TTL = st.floats(0.1, 3600)
_ASKED = st.floats(0, 1e6)
_DELAY = st.floats(0, 3600)


@given(asked=_ASKED, delay=_DELAY, ttl=_TTL, rate=st.floats(PATIENCE, 10))
def test_a_holder_counts_itself_out_before_the_database_gives_the_lease_away(
    asked: float, delay: float, ttl: float, rate: float
) -> None:
    """With any delay on the way, and a steady clock that runs up to a third too slow."""
    own_seconds = tenure(1, asked, ttl).until - asked
    stops = own_seconds / rate  # in true seconds after the request was sent
    gives_away = delay + ttl
    assert stops <= gives_away * (1 + 1e-6)


@given(asked=_ASKED, ttl=_TTL, seconds=st.floats(0, 7200))
def test_a_tenure_ends_once_and_for_all_at_two_thirds(
    asked: float, ttl: float, seconds: float
) -> None:
    held = tenure(1, asked, ttl).holds(asked + seconds)
    assert held == (asked + seconds < asked + ttl * 2 / 3)


@pytest.mark.parametrize("renew", [0.0, -1.0, 6.7, 10.0, float("nan")])
def test_times_that_could_not_keep_a_lease_are_refused(renew: float) -> None:
    with pytest.raises(ValueError, match="cannot be kept"):
        refuse_unfit_times(10.0, renew)
