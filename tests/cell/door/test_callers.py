from typing import Any

import pytest

from seatrial.cell.door.callers import Anybody, TokenHolders
from seatrial.cell.door.domain import FlagCallerUnknown
from seatrial.kit.http.requests import HeaderMalformed

ONE, TWO = "a-token-of-one-team", "a-token-of-another"
HOLDERS = TokenHolders([ONE, TWO])


def _scope(query: str = "", **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"headers": pairs, "query_string": query.encode()}


def test_anybody_may_call_without_a_token() -> None:
    assert Anybody().admit(_scope()) == ""
    Anybody().admit_listener(_scope())


@pytest.mark.parametrize("token", [ONE, TWO])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "Bearer  {} "])
def test_each_token_is_taken_as_bearer_and_as_api_key(token: str, form: str) -> None:
    ticket = HOLDERS.admit(_scope(authorization=form.format(token)))
    assert ticket == HOLDERS.admit(_scope(x_api_key=token))
    assert ticket == HOLDERS.admit(_scope(authorization="Basic eDp5", x_api_key=token))
    HOLDERS.admit_listener(_scope(x_api_key=token))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_api_key": ""},
        {"x_api_key": ONE[:-1]},
        {"x_api_key": f"{ONE}x"},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {ONE}"},
        {"authorization": "Bearer wrong", "x_api_key": ONE},
    ],
)
def test_nobody_else_is_admitted(headers: dict[str, str]) -> None:
    for admit in (HOLDERS.admit, HOLDERS.admit_listener):
        with pytest.raises(FlagCallerUnknown):
            admit(_scope(**headers))


def test_a_ticket_opens_the_stream_and_nothing_else() -> None:
    ticket = HOLDERS.admit(_scope(x_api_key=ONE)).removeprefix("?ticket=")
    HOLDERS.admit_listener(_scope(f"ticket={ticket}"))
    TokenHolders([ONE]).admit_listener(_scope(f"ticket={ticket}"))  # after a restart, too
    with pytest.raises(FlagCallerUnknown):
        HOLDERS.admit(_scope(x_api_key=ticket))
    for others in (TokenHolders([TWO]), TokenHolders([])):
        with pytest.raises(FlagCallerUnknown):
            others.admit_listener(_scope(f"ticket={ticket}"))


def test_a_ticket_does_not_show_its_token() -> None:
    assert ONE not in HOLDERS.admit(_scope(x_api_key=ONE))


def test_a_repeated_credential_is_refused() -> None:
    scope = _scope()
    scope["headers"] = [(b"x-api-key", ONE.encode())] * 2
    with pytest.raises(HeaderMalformed):
        HOLDERS.admit(scope)
