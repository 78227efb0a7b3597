"""Dates move by one distance for each person, and stay written as they were."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.masking import dates
from seatrial.data.masking.shapes import Unfit

DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
FORMS = st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT08:30:00Z", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y"])


@given(DAYS, FORMS, st.integers(1, 3650))
def test_a_date_is_earlier_by_the_shift_in_the_form_it_had(day: date, form: str, days: int) -> None:
    masked = dates.shifted(day.strftime(form), days)
    assert masked == dates.earlier(day, days).strftime(form)


@given(DAYS, DAYS, st.integers(1, 3650))
def test_the_distance_between_two_dates_of_a_person_stays(
    one: date, other: date, days: int
) -> None:
    assert dates.earlier(one, days) - dates.earlier(other, days) == one - other


@given(DAYS)
def test_every_rendering_has_its_counterpart(day: date) -> None:
    forms = list(dates.renderings(day))
    assert len(forms) == len(list(dates.renderings(date(2000, 12, 31))))
    assert day.isoformat() in forms


@pytest.mark.parametrize("text", ["", "soon", "2024-13-01", "2024-02-30T00:00:00", "31/31/2020"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        dates.shifted(text, 10)


def test_a_day_before_its_month_is_read_where_nothing_else_is_a_date() -> None:
    assert dates.shifted("14/03/1990", 1) == "13/03/1990"
    assert dates.shifted("3/14/1990", 1) == "3/13/1990"
