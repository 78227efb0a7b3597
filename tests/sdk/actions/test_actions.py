import asyncio
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.sdk.actions import Action, Actions, AsyncActions, CallUnsuccessful, WaitUnclear
from seatrial.sdk.door import Door, DoorMissing, DoorRefused, DoorUnreachable

_DONE = (200, {"ok": True, "value": {"refunded": 500}})


class _Cell(http.server.ThreadingHTTPServer):
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, object] | None] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def door(self) -> Door:
        return Door(url=f"http://127.0.0.1:{self.server_address[1]}", token="a-token")


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Cell
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = (self.command, self.path, headers, json.loads(content) if content else None)
        self.server.asked.append(told)
        answer = self.server.answers.pop(0)
        self.close_connection = True
        if answer is None:
            return
        body = json.dumps(answer[1]).encode()
        self.send_response(answer[0])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Waited:
    """`AsyncActions`, each call on a loop of its own."""

    def __init__(self, door: Door) -> None:
        self._actions = AsyncActions(door)

    def listed(self) -> Any:
        return asyncio.run(self._actions.listed())

    def call(self, *given: Any, **more: Any) -> Any:
        return asyncio.run(self._actions.call(*given, **more))

    def wait(self, **given: Any) -> Any:
        return asyncio.run(self._actions.wait(**given))


Make = Callable[[Door], Actions | _Waited]


@pytest.fixture
def cell() -> Iterator[_Cell]:
    with _Cell() as cell:
        thread = threading.Thread(target=cell.serve_forever, args=(0.01,))
        thread.start()
        yield cell
        cell.shutdown()
        thread.join()


@pytest.fixture(params=[Actions, _Waited], ids=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_a_result_comes_back_as_it_was_told(cell: _Cell, make: Make) -> None:
    cell.answers = [_DONE]
    assert make(cell.door).call("refund", {"order": "W1"}, cents=500) == {"refunded": 500}
    [(method, path, headers, body)] = cell.asked
    assert (method, path, body) == ("POST", "/v1/actions/refund", {"order": "W1", "cents": 500})
    assert headers["authorization"] == "Bearer a-token"
    assert "seatrial-retry" not in headers


def test_a_failure_is_raised_under_its_code(cell: _Cell, make: Make) -> None:
    cell.answers = [(200, {"ok": False, "error": "A person said no.", "code": "action_rejected"})]
    with pytest.raises(CallUnsuccessful, match="A person said no") as raised:
        make(cell.door).call("refund", order="W1")
    assert raised.value.told == "action_rejected"


def test_a_refusal_says_what_to_do(cell: _Cell, make: Make) -> None:
    problem = {"code": "connector_unbound", "detail": "Nothing is bound.", "remedy": "Bind it."}
    cell.answers = [(409, problem)]
    with pytest.raises(DoorRefused, match=r"Nothing is bound\. Bind it\.") as raised:
        make(cell.door).call("refund")
    assert raised.value.told == "connector_unbound"


@pytest.mark.parametrize("told", [[], "x", {"other": 1}])
def test_an_error_that_is_no_problem_is_a_refusal_all_the_same(
    cell: _Cell, make: Make, told: object
) -> None:
    cell.answers = [(502, told)]
    with pytest.raises(DoorRefused, match="502"):
        make(cell.door).listed()


def test_a_broken_connection_is_repeated_once_and_says_so(cell: _Cell, make: Make) -> None:
    cell.answers = [None, _DONE]
    assert make(cell.door).call("refund") == {"refunded": 500}
    assert ["seatrial-retry" in headers for _, _, headers, _ in cell.asked] == [False, True]
    assert cell.asked[0][3] == cell.asked[1][3]


def test_a_cell_that_never_answers_is_unreachable(cell: _Cell, make: Make) -> None:
    cell.answers = [None, None]
    with pytest.raises(DoorUnreachable):
        make(cell.door).call("refund")
    assert len(cell.asked) == 2


def test_a_cell_that_is_gone_is_unreachable(make: Make) -> None:
    with _Cell() as cell:
        door = cell.door
    with pytest.raises(DoorUnreachable):
        make(door).call("refund")


def test_a_name_never_leaves_its_place_in_the_path(cell: _Cell, make: Make) -> None:
    cell.answers = [_DONE]
    make(cell.door).call("a/../b?c")
    assert cell.asked[0][1] == "/v1/actions/a%2F..%2Fb%3Fc"


def test_what_may_be_called_is_listed(cell: _Cell, make: Make) -> None:
    one = {"name": "refund", "description": "Pay back.", "input_schema": {}, "effect": "read"}
    cell.answers = [(200, {"actions": [one]})]
    assert make(cell.door).listed() == [
        Action(name="refund", description="Pay back.", input_schema={}, effect="read")
    ]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"seconds": 0}, {"seconds": 0}),
        ({"event": "paid"}, {"event": "paid"}),
        ({"until": datetime(2030, 1, 2, tzinfo=UTC)}, {"until": "2030-01-02T00:00:00+00:00"}),
    ],
)
def test_a_wait_gives_what_came(
    cell: _Cell, make: Make, given: dict[str, Any], asked: dict[str, Any]
) -> None:
    cell.answers = [(200, {"value": {"cents": 5}})]
    assert make(cell.door).wait(**given) == {"cents": 5}
    assert cell.asked[0][1] == "/v1/waits"
    assert cell.asked[0][3] == asked


@pytest.mark.parametrize("given", [{}, {"seconds": 1, "event": "paid"}])
def test_a_wait_is_for_one_thing(cell: _Cell, make: Make, given: dict[str, Any]) -> None:
    with pytest.raises(WaitUnclear):
        make(cell.door).wait(**given)
    assert cell.asked == []


def test_a_process_without_a_cell_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_URL", raising=False)
    with pytest.raises(DoorMissing, match="SEATRIAL_URL"):
        Actions()


def test_the_cell_is_found_in_the_environment(cell: _Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_URL", cell.door.url)
    monkeypatch.setenv("SEATRIAL_TOKEN", "mine")
    cell.answers = [_DONE]
    Actions().call("refund")
    assert cell.asked[0][2]["authorization"] == "Bearer mine"
    assert "mine" not in repr(Door.here())


def test_a_call_leaves_no_thread_and_no_task(cell: _Cell) -> None:
    cell.answers = [_DONE]

    async def called() -> set[threading.Thread]:
        before = set(threading.enumerate())
        await AsyncActions(cell.door).call("refund")
        ours = {it for it in threading.enumerate() if "process_request" not in it.name}
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return ours - before

    assert asyncio.run(called()) == set()


def test_importing_it_brings_the_standard_library_alone() -> None:
    script = (
        "import sys, seatrial.sdk.actions\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(tops - sys.stdlib_module_names - {'__main__', 'seatrial'}))\n"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert told.stdout.strip() == "[]"
