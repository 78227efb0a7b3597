"""What a server refuses ends the command as if it had been refused here."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli.servers.domain import AccessMissing, AnswerUnexpected, RemoteRefused
from seatrial.cli.servers.refusals import refusal
from seatrial.kit.errors import Exit, SeatrialError, problem


def test_a_known_code_is_raised_as_its_own_class() -> None:
    there = AccessMissing(reason="it is gone")
    here = refusal("control", 404, json.dumps(problem(there)).encode())
    assert type(here) is AccessMissing
    assert (here.message, here.remedy, here.exit_code) == (
        there.message,
        there.remedy,
        Exit.NOT_FOUND,
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Exit.USAGE), (401, Exit.DENIED), (403, Exit.DENIED), (404, Exit.NOT_FOUND),
        (409, Exit.CONFLICT), (413, Exit.USAGE), (422, Exit.GATE_FAILED), (423, Exit.STOPPED),
        (429, Exit.FAILED), (500, Exit.FAILED), (502, Exit.FAILED), (503, Exit.UNREACHABLE),
        (504, Exit.UNREACHABLE), (418, Exit.FAILED),
    ],
)  # fmt: skip
def test_an_unknown_code_keeps_its_words_and_gets_the_exit_code_of_its_status(
    status: int, code: Exit
) -> None:
    told = {"code": "tide_too_low", "detail": "No water.", "cause": "Ebb.", "remedy": "Wait."}
    error = refusal("control", status, json.dumps(told).encode())
    assert type(error) is RemoteRefused
    assert (error.code, error.message, error.cause, error.remedy) == (
        "tide_too_low",
        "No water.",
        "Ebb.",
        "Wait.",
    )
    assert error.exit_code is code
    assert RemoteRefused.code == "remote_refused"


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(
        st.sampled_from(["code", "detail", "cause", "remedy", "status"]), inner
    )
).map(lambda value: json.dumps(value).encode()), st.integers(300, 599))  # fmt: skip
def test_whatever_a_server_sends_is_a_named_error(body: bytes, status: int) -> None:
    error = refusal("control", status, body)
    assert isinstance(error, SeatrialError)
    assert error.code
    assert all(text.isprintable() for text in (error.cause, error.remedy))


def test_a_page_of_something_else_is_unexpected() -> None:
    error = refusal("control", 502, b"<html>Bad Gateway</html>")
    assert isinstance(error, AnswerUnexpected)


def test_a_server_cannot_drive_the_terminal() -> None:
    told = {"code": "tide_too_low", "detail": "\x1b[2J", "cause": "\x1b]0;x\x07", "remedy": "\r"}
    error = refusal("control", 400, json.dumps(told).encode())
    assert all(text.isprintable() for text in (error.message, error.cause, error.remedy))
