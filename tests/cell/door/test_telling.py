import logging
import re
from collections.abc import Iterator

import pytest

from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.domain import CellPermissionMissing
from seatrial.cell.runs.domain.refusals import RunUnknown
from seatrial.cell.runs.domain.values import Feedback
from seatrial.cell.telemetry.domain import LogQueryRefused, LogsOfTenants
from seatrial.contract.runs.access import CellPermission
from seatrial.contract.runs.states import Outcome
from seatrial.kit.database.database import Database
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.routes import Routes
from tests.cell.door.cells import in_a_loop
from tests.cell.door.front import LOCAL, Door, door
from tests.cell.llms.inside import CHAT
from tests.kit.http.peers import call, scope

READ, OPERATE, PAYLOAD = CellPermission.READ, CellPermission.OPERATE, CellPermission.PAYLOAD


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Database]:
    """A database, where it does not matter which."""
    with Database.open(sqlite_url) as opened:
        yield opened


async def _token(cell: Door, *permissions: CellPermission, tenant: str = "") -> str:
    _, token = await cell.access.make(name="x", permissions=frozenset(permissions), tenant=tenant)
    return token.reveal()


@in_a_loop
async def test_a_receipt_tells_all_that_is_known_of_a_run(database: Database) -> None:
    async with door(database) as cell:
        run, token = await cell.begun(session="s1", tags={"case": "7"})
        await cell.inner.ask("/v1/prompts/greeting", token=token)
        await cell.inner.ask("/v1/chat/completions", CHAT, token=token)
        await cell.inner.ask("/v1/chat/completions", {**CHAT, "model": "nope"}, token=token)
        await cell.inner.ask("/v1/messages", {**CHAT, "model": "c-other"}, token=token)
        await cell.ask("POST", f"{LOCAL}/{run}/end", {"output": {"answer": 42}})
        await cell.judge.outcome(run, Outcome.RESOLVED, note="good", by="tok_1")
        await cell.judge.feedback(run, Feedback(thumbs=True, comment="thanks"), by="tok_1")
        status, told = await cell.ask("GET", f"/v1/runs/{run}/receipt")
    assert status == 200
    assert (told["run"], told["agent"], told["environment"]) == (run, "support", "staging")
    assert (told["input"], told["output"], told["state"]) == ("hi", {"answer": 42}, "succeeded")
    assert (told["session"], told["tags"], told["local"]) == ("s1", {"case": "7"}, True)
    assert told["release"]["name"] == "support@3"
    assert [(c["kind"], c["name"], c["state"]) for c in told["calls"]] == [
        ("prompt", "greeting", "done"),
        ("model", CHAT["model"], "done"),
        ("model", "nope", "refused"),
        ("model", "c-other", "done"),
    ]
    assert [c["row"] for c in told["calls"]] == [None, 1, None, 2]
    assert told["warnings"] == []
    assert [
        (e["seq"], e["kind"], e["name"], e["state"], e["tries"], e["answered_from_record"])
        for e in told["journal"]
    ] == [(1, "model", CHAT["model"], "done", 1, 0), (2, "model", "c-other", "done", 1, 0)]
    assert told["journal"][0]["cost_usd"] > 0
    model = told["calls"][1]
    assert model["tokens"] == {"input": 20, "output": 12, "cache_read": 5, "cache_write": 0}
    assert model["cost_usd"] > 0
    assert [c["mismatch"] for c in told["calls"]] == [False, False, False, True]
    assert told["calls"][2]["error"].startswith("model_not_pinned")
    assert told["totals"]["calls"] == 2
    assert told["totals"]["input_tokens"] == 38
    assert told["totals"]["cost_known"] is False
    assert told["effect"] == {"kind": "answer", "output": {"answer": 42}}
    assert [a["state"] for a in told["attempts"]] == ["succeeded"]
    assert (told["outcome"]["outcome"], told["outcome"]["note"]) == ("resolved", "good")
    assert [f["thumbs"] for f in told["feedback"]] == ["up"]
    assert (told["reviews"], told["validation_failures"], told["retries"]) == ([], [], [])


@in_a_loop
async def test_each_decision_on_a_call_is_told_without_payload(database: Database) -> None:
    async with door(database) as cell:
        run, token = await cell.begun()
        await cell.inner.ask("/v1/chat/completions", CHAT, token=token)
        again = (("x-stainless-retry-count", "1"),)
        await cell.inner.ask("/v1/chat/completions", CHAT, token=token, headers=again)
        await cell.inner.books.written(run)
        status, told = await cell.ask(
            "GET", f"/v1/runs/{run}/decisions", token=await _token(cell, READ)
        )
        assert (status, told["run"]) == (200, run)
        assert [(d["attempt"], d["n"], d["seq"], d["decision"]) for d in told["decisions"]] == [
            (1, 1, 1, "sent"),
            (1, 2, 1, "attached"),
        ]
        assert {d["name"] for d in told["decisions"]} == {CHAT["model"]}
        assert "Hallo" not in str(told)
        with pytest.raises(CellPermissionMissing):
            await cell.ask("GET", f"/v1/runs/{run}/decisions", token=await _token(cell, PAYLOAD))
        for asked in (run, "run_nobody"):
            with pytest.raises(RunUnknown):
                await cell.ask(
                    "GET",
                    f"/v1/runs/{asked}/decisions",
                    token=await _token(cell, READ, tenant="acme"),
                )
        _, receipt = await cell.ask("GET", f"/v1/runs/{run}/receipt")
        assert receipt["journal"][0]["answered_from_record"] == 1


@in_a_loop
async def test_a_run_that_failed_has_no_effect_on_its_receipt(one: Database) -> None:
    async with door(one) as cell:
        run, _ = await cell.begun()
        failure = {"code": "agent_raised", "message": "x"}
        await cell.ask("POST", f"{LOCAL}/{run}/end", {"error": failure})
        _, told = await cell.ask("GET", f"/v1/runs/{run}/receipt")
    assert (told["effect"], told["output"], told["error"]) == (None, None, failure)
    assert told["attempts"][0]["error"] == failure


@in_a_loop
async def test_a_receipt_is_payload_and_each_look_is_on_the_log(one: Database) -> None:
    async with door(one) as cell:
        run, _ = await cell.begun()
        for token in (await _token(cell, READ, OPERATE),):
            with pytest.raises(CellPermissionMissing):
                await cell.ask("GET", f"/v1/runs/{run}/receipt", token=token)
        foreign = await _token(cell, PAYLOAD, tenant="acme")
        for asked in (run, "run_nobody"):
            with pytest.raises(RunUnknown):
                await cell.ask("GET", f"/v1/runs/{asked}/receipt", token=foreign)
        await cell.ask("GET", f"/v1/runs/{run}/receipt")
        assert cell.shown == [("dev", run)]
        page = await _lines(cell, f"run={run}")
        assert page.count(b'"event":"payload_read"') == 1


async def _lines(cell: Door, query: str = "", token: str | None = None) -> bytes:
    authority = (b"authorization", f"Bearer {token or cell.token}".encode())
    request = scope("GET", "/v1/logs", [authority], query.encode())
    found = await call(Routes(cell.table), request)
    assert found.headers[b"content-type"] == b"application/x-ndjson"
    return found.body


@in_a_loop
async def test_the_log_is_read_as_lines_of_json(one: Database) -> None:
    async with door(one) as cell:
        for number in range(5):
            logging.getLogger("a").warning("line %d", number, extra={"agent": "support"})
        page = (await _lines(cell, "agent=support&limit=2")).splitlines()
        assert [re.findall(rb"line \d", line) for line in page] == [[b"line 3"], [b"line 4"]]
        assert await _lines(cell, "agent=support&level=error") == b""


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "level=loud", "what=1"])
@in_a_loop
async def test_a_wrong_query_for_logs_is_refused(sqlite_url: str, query: str) -> None:
    with Database.open(sqlite_url) as database:
        async with door(database) as cell:
            with pytest.raises(LogQueryRefused):
                await _lines(cell, query)


@in_a_loop
async def test_who_may_see_no_payload_sees_nothing_that_agents_print(one: Database) -> None:
    async with door(one) as cell:
        logging.getLogger("a").warning("own")
        logging.getLogger("a").warning("payload", extra={"stream": "stdout"})
        assert b"payload" in await _lines(cell)
        page = await _lines(cell, token=await _token(cell, OPERATE))
        assert b"own" in page
        assert b"payload" not in page
        with pytest.raises(LogsOfTenants):
            await _lines(cell, token=await _token(cell, OPERATE, PAYLOAD, tenant="acme"))
        with pytest.raises(CellPermissionMissing):
            await _lines(cell, token=await _token(cell, READ))


@in_a_loop
async def test_the_log_can_be_followed(one: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def answer(self: EventStream, *given: object) -> None:
        del self
        events = given[3]
        async for event in events:  # type: ignore[attr-defined]  # the events
            heard.append(event.data)
            if "line 0" in event.data:
                logging.getLogger("a").warning("line 1")
            if "line 1" in event.data:
                return

    monkeypatch.setattr(EventStream, "answer", answer)
    async with door(one) as cell:
        logging.getLogger("a").warning("line 0")
        authority = (b"authorization", f"Bearer {cell.token}".encode())
        await call(Routes(cell.table), scope("GET", "/v1/logs", [authority], b"follow=1"))
    assert [re.findall(r"line \d", line) for line in heard[-2:]] == [["line 0"], ["line 1"]]


@in_a_loop
async def test_figures_are_told_to_whoever_asks(one: Database) -> None:
    async with door(one) as cell:
        await cell.inner.ask("/v1/chat/completions", CHAT)
        await cell.inner.ask("/v1/chat/completions", {**CHAT, "model": "nope"})
        found = await call(Routes(cell.table), scope("GET", "/metrics"))
        page = found.body.decode()
    assert found.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    model = 'provider="openai",model="gpt-4o-2024-08-06"'
    assert f'seatrial_model_calls_total{{{model},state="done"}} 1\n' in page
    assert f'seatrial_model_tokens_total{{{model},kind="input"}} 20\n' in page
    assert 'seatrial_model_refused_total{code="model_not_pinned"} 1\n' in page
    assert 'seatrial_generation{environment="staging"} 0\n' in page
    assert "seatrial_runs_active 0\n" in page


@in_a_loop
async def test_runs_are_counted_as_they_end(one: Database) -> None:
    async with door(one) as cell:
        for end in ({"output": 1}, {"error": {"code": "agent_raised", "message": "x"}}):
            run, _ = await cell.begun()
            await cell.ask("POST", f"{LOCAL}/{run}/end", end)
        page = (await call(Routes(cell.table), scope("GET", "/metrics"))).body.decode()
    assert 'seatrial_runs_ended_total{agent="support",state="failed"} 1\n' in page
    assert 'seatrial_runs_ended_total{agent="support",state="succeeded"} 1\n' in page
    assert 'seatrial_runs_failed_total{agent="support",code="agent_raised"} 1\n' in page
    assert "seatrial_run_wait_seconds_count 2\n" in page


@in_a_loop
async def test_every_route_that_changes_something_names_its_operation(sqlite_url: str) -> None:
    with Database.open(sqlite_url) as database:
        async with door(database) as cell:
            for method, path, app in cell.table:
                assert (method == "GET") != isinstance(app, Operating), (method, path)


@in_a_loop
async def test_a_run_that_asked_nothing_of_its_cell_is_warned_of_once_it_is_over(
    one: Database,
) -> None:
    async with door(one) as cell:
        run, token = await cell.begun()
        await cell.inner.ask("/v1/prompts/greeting", token=token)
        _, before = await cell.ask("GET", f"/v1/runs/{run}/receipt")
        await cell.ask("POST", f"{LOCAL}/{run}/end", {"output": 42})
        _, told = await cell.ask("GET", f"/v1/runs/{run}/receipt")
    assert before["warnings"] == []
    assert [each["code"] for each in told["warnings"]] == ["never_at_the_door"]
