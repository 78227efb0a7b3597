import copy
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.errors import Exit, Fault, Invalid, NotFound, SeatrialError, catalogue, problem


class BoatMissing(NotFound):
    """No boat {name!r} in {harbour}."""

    code = "boat_missing"
    cause = "It sailed."
    remedy = "Wait for it."


def test_a_message_is_the_docstring_with_its_fields() -> None:
    error = BoatMissing(name="Ida", harbour="Kiel")
    assert error.message == "No boat 'Ida' in Kiel."
    assert error.fields == {"name": "Ida", "harbour": "Kiel"}
    assert (error.status, error.exit_code) == (404, Exit.NOT_FOUND)


def test_a_field_too_many_or_too_few_is_refused_where_it_is_raised() -> None:
    with pytest.raises(TypeError, match="harbour"):
        BoatMissing(name="Ida")
    with pytest.raises(TypeError, match="extra"):
        BoatMissing(name="Ida", harbour="Kiel", extra=1)


@given(st.text(), st.text() | st.integers() | st.none())
def test_no_value_can_break_or_flood_a_message(name: str, harbour: object) -> None:
    error = BoatMissing(name=name * 50, harbour=harbour)
    assert len(error.message) < 8 * 400


def test_values_are_never_read_as_a_template() -> None:
    assert "{0.__class__}" in BoatMissing(name="{0.__class__}", harbour="Kiel").message


def test_an_error_survives_pickling_between_processes() -> None:
    error = BoatMissing(name="Ida", harbour="Kiel")
    revived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(revived), revived.message) == (BoatMissing, error.message)
    assert copy.copy(error).message == error.message


@pytest.mark.parametrize("lack", ["__doc__", "code", "cause", "remedy"])
def test_an_error_class_without_all_its_parts_is_refused(lack: str) -> None:
    parts = {"__doc__": "Lost.", "code": "parts_missing", "cause": "None.", "remedy": "Add them."}
    parts.pop(lack)
    with pytest.raises(TypeError, match=lack.strip("_")):
        type("Partless", (Invalid,), parts)


def test_a_code_belongs_to_one_class() -> None:
    with pytest.raises(TypeError, match="boat_missing"):
        type(
            "Twin",
            (Invalid,),
            {"__doc__": "T.", "code": "boat_missing", "cause": "C.", "remedy": "R."},
        )


@pytest.mark.parametrize("code", ["", "one", "Two_Words", "two-words", "two_words_", "_two_words"])
def test_a_code_is_snake_case_of_two_words_or_more(code: str) -> None:
    with pytest.raises(TypeError, match="snake_case"):
        type("Odd", (Invalid,), {"__doc__": "O.", "code": code, "cause": "C.", "remedy": "R."})


def test_problem_details_carry_code_cause_remedy_and_the_request() -> None:
    body = problem(BoatMissing(name="Ida", harbour="Kiel"), instance="req_1")
    assert body == {
        "type": "urn:seatrial:error:boat_missing",
        "title": "Boat missing",
        "status": 404,
        "detail": "No boat 'Ida' in Kiel.",
        "code": "boat_missing",
        "cause": "It sailed.",
        "remedy": "Wait for it.",
        "instance": "req_1",
    }


def test_every_kind_has_its_own_place_in_http_and_shell() -> None:
    kinds = SeatrialError.__subclasses__()
    statuses = [kind.status for kind in kinds if kind is not Fault]
    assert len(set(statuses)) == len(statuses)
    assert all(400 <= kind.status < 600 and kind.exit_code != Exit.OK for kind in kinds)


def test_the_catalogue_is_sorted_and_knows_each_concrete_error() -> None:
    codes = [error.code for error in catalogue()]
    assert codes == sorted(codes)
    assert {"boat_missing", "internal_fault"} <= set(codes)
    ours = [error for error in catalogue() if error.__module__.startswith("seatrial.")]
    for error in ours:
        parts = list(string.Formatter().parse(error.template()))
        fields = {name: 1 if spec else "x" for _, name, spec, _ in parts if name}
        assert error(**fields).message
