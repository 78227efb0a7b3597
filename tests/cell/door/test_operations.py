import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.domain import (
    ALLOWED_IN_PRODUCTION,
    Operation,
    OperationRefused,
    operation_allowed,
)
from seatrial.kit.http.asgi import Receive, Scope, Send
from tests.cell.door.asgi import ask

CHANGING = {
    Operation.DRAFT_SET,
    Operation.DRAFT_REMOVE,
    Operation.LOCAL_RUN,
    Operation.REHEARSE,
}


@pytest.mark.parametrize("environment", ["dev", "test", "staging"])
def test_every_operation_is_allowed_before_production(environment: str) -> None:
    assert all(operation_allowed(environment, each) for each in Operation)


@given(st.text().filter(lambda text: text not in {"dev", "test", "staging"}))
def test_whatever_is_not_known_to_come_before_production_is_held_to_its_list(name: str) -> None:
    assert {each for each in Operation if operation_allowed(name, each)} == ALLOWED_IN_PRODUCTION


def test_nothing_on_the_list_changes_what_runs() -> None:
    assert set(Operation) - ALLOWED_IN_PRODUCTION == CHANGING


def test_an_endpoint_is_not_even_asked_where_its_operation_is_forbidden() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with pytest.raises(OperationRefused):
        asyncio.run(ask(Operating("production", Operation.DRAFT_SET, app), "/"))
    assert asyncio.run(ask(Operating("staging", Operation.DRAFT_SET, app), "/"))[0] == 200
