"""Several tests, one answer."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.combine import average, e_that_at_least, p_from_e, p_that_at_least, product
from seatrial.stats.errors import ObservationRefused, ParameterRefused

E_VALUES = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=6)


@given(E_VALUES)
def test_an_average_lies_among_its_parts(e_values: list[float]) -> None:
    assert min(e_values) <= average(e_values) * (1 + 1e-9)
    assert average(e_values) <= max(e_values) * (1 + 1e-9)


def test_weights_are_fixed_parts_of_one() -> None:
    assert average([40.0, 0.0], [0.75, 0.25]) == 30.0
    for weights in ([0.5, 0.6], [1.0], [1.5, -0.5], []):
        with pytest.raises(ParameterRefused):
            average([40.0, 0.0], weights)


def test_a_product_multiplies() -> None:
    assert product([2.0, 3.0, 0.5]) == pytest.approx(3)


@pytest.mark.parametrize("bad", [math.nan, -0.1, math.inf])
def test_what_is_no_e_value_is_refused(bad: float) -> None:
    for combine in (average, product, lambda e: e_that_at_least(1, e), lambda e: p_from_e(e[1])):
        with pytest.raises(ObservationRefused):
            combine([1.0, bad])
    with pytest.raises(ObservationRefused):
        p_that_at_least(1, [0.5, bad])


def test_nothing_combined_is_refused() -> None:
    for combine in (
        average,
        product,
        lambda e: e_that_at_least(1, e),
        lambda e: p_that_at_least(1, e),
    ):
        with pytest.raises(ParameterRefused):
            combine([])


@given(E_VALUES, st.data())
def test_the_e_form_of_at_least_is_never_weaker_than_the_p_form(
    e_values: list[float], data: st.DataObject
) -> None:
    least = data.draw(st.integers(1, len(e_values)))
    p_value = p_that_at_least(least, [p_from_e(e) for e in e_values])
    assert max(1.0, e_that_at_least(least, e_values)) >= (1 / p_value) * (1 - 1e-9)


def test_3_of_4_is_twice_the_third_smallest() -> None:
    assert p_that_at_least(3, [0.04, 0.01, 0.02, 1.0]) == pytest.approx(0.08)
    assert p_that_at_least(4, [0.04, 0.01, 0.02, 1.0]) == 1
    assert p_that_at_least(1, [0.04, 0.01, 0.02, 1.0]) == pytest.approx(0.04)
    assert p_that_at_least(2, [0.9, 0.8]) == 0.9


def test_3_of_4_needs_four_or_at_least_three() -> None:
    bad: Any
    for bad in (0, 5, 1.5):
        with pytest.raises(ParameterRefused):
            p_that_at_least(bad, [0.1] * 4)
        with pytest.raises(ParameterRefused):
            e_that_at_least(bad, [1.0] * 4)


def test_the_error_of_3_of_4_is_4_94_percent_where_the_raw_rule_errs_in_9_75() -> None:
    """Two claims true, two surely rejected, independent tests; recalled as 4.9 and 9.7 %.

    A raw third smallest p below 5 % needs one of the two true claims rejected; twice it, at 2.5 %.
    """
    raw, twice = 1 - 0.95**2, 1 - 0.975**2
    assert raw == pytest.approx(0.0975)
    assert twice == pytest.approx(0.0494, abs=5e-5)
    assert p_that_at_least(3, [0.0, 0.0, 0.0250, 0.5]) <= 0.05
    assert p_that_at_least(3, [0.0, 0.0, 0.0251, 0.5]) > 0.05
