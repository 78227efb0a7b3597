"""`/v1/runs` and its kin, asked as callers ask."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.hosts.domain import Chunk, Error, HostEvent, Result, RunRequest
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from tests.cell.door.rooms import Door
from tests.cell.runs.stage import FAST, Stage, dying, hang, made, raising, until
from tests.cell.runs.waiting_stage import Hand, WaitingStage
from tests.kit.leases.looped import in_a_loop

START = "/v1/agents/support/runs"


PATIENT = replace(FAST, lease=30.0)  # a busy machine is no reason to take a run from its worker


@pytest.fixture
def door(database: Database) -> Door:
    return Door(Stage(made(database), bounds=PATIENT))


@pytest.fixture
def quick(sqlite_url: str) -> Any:
    with Database.open(sqlite_url) as database:
        yield Door(Stage(made(database), bounds=PATIENT))


async def chatty(request: RunRequest) -> AsyncIterator[HostEvent]:
    for n in range(3):
        yield Chunk(data=f"part {n}")
        await asyncio.sleep(0.02)
    yield Result(output=request.input)


@in_a_loop
async def test_a_waiting_caller_gets_the_ended_run(door: Door) -> None:
    async with door.open():
        answer = await door.ask("POST", START, {"input": {"q": 1}, "tags": {"team": "red"}})
    assert answer.status == 200
    run = answer.json
    assert (run["state"], run["output"], run["input"]) == ("succeeded", {"q": 1}, {"q": 1})
    assert (run["agent"], run["environment"], run["release_name"]) == (
        "support",
        "staging",
        "support@1",
    )
    assert run["usage"] == {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, "calls": 0}
    assert run["tags"] == {"team": "red"}
    assert answer.headers["seatrial-run"] == run["id"]
    assert answer.headers["seatrial-release"] == run["release"]
    assert answer.headers["seatrial-generation"] == "1"


@in_a_loop
async def test_an_async_caller_gets_202_and_where_to_look(quick: Door) -> None:
    async with quick.open():
        answer = await quick.ask("POST", START, {"input": 1, "mode": "async"})
        assert answer.status == 202
        assert answer.headers["location"] == f"/v1/runs/{answer.json['id']}"
        assert answer.json["state"] in {"queued", "running"}
        await until(lambda: quick.stage.runs.active == 0)
        shown = await quick.ask("GET", answer.headers["location"])
        assert shown.json["state"] == "succeeded"


@in_a_loop
async def test_who_waits_too_short_gets_202(quick: Door) -> None:
    quick.stage.hosts.script = hang
    async with quick.open():
        answer = await quick.ask("POST", START, {"input": 1, "wait_seconds": 0.05})
        assert answer.status == 202
        assert answer.json["state"] == "running"


@in_a_loop
async def test_who_waits_while_the_process_is_told_to_end_gets_202(quick: Door) -> None:
    quick.stage.hosts.script = hang
    async with quick.open():
        asking = asyncio.create_task(quick.ask("POST", START, {"input": 1}))
        await until(lambda: quick.stage.hosts.requests)
        quick.lifetime.drain()
        assert (await asking).status == 202


@in_a_loop
async def test_a_failed_run_is_an_answer_with_its_error(quick: Door) -> None:
    quick.stage.hosts.script = raising
    async with quick.open():
        answer = await quick.ask("POST", START, {"input": "x"})
    assert answer.status == 200
    assert answer.json["state"] == "failed"
    assert answer.json["error"] == {"code": "agent_raised", "message": "no x"}


@in_a_loop
async def test_a_stream_tells_every_event_with_rising_ids(door: Door) -> None:
    door.stage.hosts.script = chatty
    async with door.open():
        answer = await door.ask("POST", START, {"input": 1, "mode": "stream"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.events
    assert [event.event for event in events] == [
        "accepted",
        "started",
        *["chunk"] * 3,
        "ended",
    ]
    ids = [int(event.id) for event in events]
    assert ids == sorted(set(ids))
    assert [json.loads(event.data)["data"] for event in events[2:5]] == [
        "part 0",
        "part 1",
        "part 2",
    ]
    assert json.loads(events[-1].data)["output"] == 1


@in_a_loop
async def test_a_listener_who_lost_the_line_goes_on_where_he_was(door: Door) -> None:
    door.stage.hosts.script = chatty
    async with door.open():
        whole = await door.ask("POST", START, {"input": 1, "mode": "stream"})
        path = f"/v1/runs/{whole.headers['seatrial-run']}/events"
        for place, event in enumerate(whole.events):
            rest = await door.ask("GET", path, headers={"last-event-id": event.id})
            # Begun and ended events tell the run as it stands when they are told.
            assert [(e.id, e.event) for e in rest.events] == [
                (e.id, e.event) for e in whole.events[place + 1 :]
            ]
            assert [e.data for e in rest.events if e.event == "chunk"] == [
                e.data for e in whole.events[place + 1 :] if e.event == "chunk"
            ]
        for nonsense in ("", "x", "-1", "9" * 30):
            again = await door.ask("GET", path, headers={"last-event-id": nonsense})
            assert [e.event for e in again.events] == [e.event for e in whole.events]


@in_a_loop
async def test_a_stream_says_when_the_agent_is_begun_again(quick: Door) -> None:
    async def second_time(request: RunRequest) -> AsyncIterator[HostEvent]:
        yield Chunk(data=request.attempt)
        if request.attempt == 1:
            yield Error(code="host_exited", message="gone")
        else:
            yield Result(output="done")

    quick.stage.hosts.script = second_time
    async with quick.open():
        answer = await quick.ask("POST", START, {"input": 1, "mode": "stream"})
    told = [(event.event, json.loads(event.data)) for event in answer.events]
    assert [kind for kind, _ in told] == [
        "accepted",
        "started",
        "chunk",
        "restarted",
        "chunk",
        "ended",
    ]
    assert told[3][1] == {"attempt": 2, "code": "host_exited", "message": "gone"}
    assert [each["data"] for kind, each in told if kind == "chunk"] == [1, 2]


@in_a_loop
async def test_events_of_a_run_in_another_process_are_told_too(database: Database) -> None:
    made(database)
    here = Door(Stage(database))
    there = Stage(database)
    there.hosts.script = chatty
    here.stage.runs._worker._draining = True  # it takes nothing itself, but looks
    work = asyncio.create_task(here.stage.runs.work())
    async with there.working():
        answer = await here.ask("POST", START, {"input": 1, "mode": "stream"})
        waited = await here.ask("POST", START, {"input": 2})
    work.cancel()
    assert [event.event for event in answer.events] == [
        "accepted",
        "started",
        *["chunk"] * 3,
        "ended",
    ]
    assert waited.json["output"] == 2


@in_a_loop
async def test_a_repeated_request_with_its_key_is_the_same_run(quick: Door) -> None:
    headers = {"idempotency-key": "order-1"}
    quick.stage.hosts.script = chatty
    async with quick.open():
        first = await quick.ask("POST", START, {"input": 1}, headers=headers)
        again = await quick.ask("POST", START, {"input": 1, "mode": "async"}, headers=headers)
        assert again.json["id"] == first.json["id"]
        streamed = await quick.ask("POST", START, {"input": 1, "mode": "stream"}, headers=headers)
        assert [event.event for event in streamed.events].count("chunk") == 3
        other = await quick.ask("POST", START, {"input": 2}, headers=headers)
        assert (other.status, other.json["code"]) == (409, "idempotency_key_reused")
        stranger = await quick.ask("POST", START, {"input": 1}, headers=headers, by="other")
        assert stranger.status == 200
        assert stranger.json["id"] != first.json["id"]


@in_a_loop
async def test_a_cell_that_lags_sends_the_caller_away(quick: Door) -> None:
    answer = await quick.ask("POST", START, {"input": 1}, headers={"seatrial-generation": "2"})
    assert (answer.status, answer.json["code"]) == (503, "generation_behind")
    assert int(answer.headers["retry-after"]) >= 1


@in_a_loop
async def test_who_may_not_operate_does_not_jump_the_queue(quick: Door) -> None:
    async with quick.open():
        for priority, status in ((9, 200), (5, 200), (4, 403), (0, 403)):
            answer = await quick.ask("POST", START, {"input": 1, "priority": priority})
            assert answer.status == status
            if status == 403:
                assert answer.json["code"] == "priority_reserved"
        urgent = await quick.ask("POST", START, {"input": 1, "priority": 0}, by="admin")
        assert urgent.json["priority"] == 0
        assert len((await quick.ask("GET", "/v1/runs")).json["runs"]) == 2


@in_a_loop
async def test_who_has_filled_his_half_of_the_queue_is_told_when_to_come_again(
    quick: Door,
) -> None:
    door = Door(Stage(quick.stage.database, bounds=replace(FAST, queued=2)))
    door.stage.runs._worker._draining = True
    call = {"input": 1, "mode": "async"}
    assert (await door.ask("POST", START, call)).status == 202
    answer = await door.ask("POST", START, call)
    assert (answer.status, answer.json["code"]) == (503, "queue_share_full")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await door.ask("POST", START, call, by="other")).status == 202


@in_a_loop
async def test_an_overloaded_cell_says_when_to_come_again(quick: Door) -> None:
    door = Door(Stage(quick.stage.database, bounds=replace(FAST, queued=1)))
    door.stage.runs._worker._draining = True
    assert (await door.ask("POST", START, {"input": 1, "mode": "async"})).status == 202
    answer = await door.ask("POST", START, {"input": 1, "mode": "async"})
    assert (answer.status, answer.json["code"]) == (503, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1


DEEP = b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BAD: dict[str, tuple[Any, int, str]] = {
    "empty": (b"", 400, "json_malformed"),
    "cut off": (b'{"input": 1', 400, "json_malformed"),
    "not UTF-8": (b'{"input": "\xff"}', 400, "json_malformed"),
    "half a surrogate pair": (rb'{"input": "\ud800"}', 400, "json_malformed"),
    "NaN": (b'{"input": NaN}', 400, "json_malformed"),
    "very deep": (DEEP, 400, "json_too_deep"),
    "too deep": (b'{"input": ' + b"[" * 200 + b"]" * 200 + b"}", 400, "json_too_deep"),
    "huge": (b'{"input": "' + b"x" * (12 << 20) + b'"}', 413, "body_too_large"),
    "large": (b'{"input": "' + b"x" * (1 << 20) + b'"}', 413, "input_too_large"),
    "a list": ([], 400, "document_invalid"),
    "a text": ("x", 400, "document_invalid"),
    "null": (b"null", 400, "document_invalid"),
    "no input": ({}, 400, "document_invalid"),
    "a fixture that is none": ({"input": 1, "fixture": []}, 400, "document_invalid"),
    "a release without a fixture": ({"input": 1, "release": f"sha256:{0:064}"}, 400, "run_refused"),
    "an unknown field": ({"input": 1, "inputs": 2}, 400, "document_invalid"),
    "a mode of another kind": ({"input": 1, "mode": "sync"}, 400, "document_invalid"),
    "a text for a number": ({"input": 1, "priority": "5"}, 400, "document_invalid"),
    "a fraction": ({"input": 1, "priority": 1.5}, 400, "document_invalid"),
    "true for a number": ({"input": 1, "wait_seconds": True}, 400, "document_invalid"),
    "a priority out of range": ({"input": 1, "priority": 10}, 400, "document_invalid"),
    "a wait without end": ({"input": 1, "wait_seconds": 1e9}, 400, "document_invalid"),
    "a timeout of nothing": ({"input": 1, "timeout_seconds": 0}, 400, "run_refused"),
    "a timeout below nothing": ({"input": 1, "timeout_seconds": -1}, 400, "run_refused"),
    "a session with a slash": ({"input": 1, "session": "a/b"}, 400, "run_refused"),
    "an empty session": ({"input": 1, "session": ""}, 400, "run_refused"),
    "a session that is a number": ({"input": 1, "session": 5}, 400, "document_invalid"),
    "a session with NUL": ({"input": 1, "session": "a\0"}, 400, "run_refused"),
    "tags as a list": ({"input": 1, "tags": ["a"]}, 400, "document_invalid"),
    "a tag that is a number": ({"input": 1, "tags": {"a": 1}}, 400, "document_invalid"),
    "a tag with NUL": ({"input": 1, "tags": {"a": "\0"}}, 400, "run_refused"),
    "many tags": ({"input": 1, "tags": {f"t{n}": "" for n in range(99)}}, 400, "run_refused"),
}


@pytest.mark.parametrize("name", BAD)
@in_a_loop
async def test_bad_input_gets_a_clear_error_and_the_cell_keeps_serving(
    quick: Door, name: str
) -> None:
    body, status, code = BAD[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with quick.open():
        answer = await quick.ask("POST", START, raw)
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.json["remedy"]
        assert (await quick.ask("POST", START, {"input": 1})).status == 200
        assert len((await quick.ask("GET", "/v1/runs")).json["runs"]) == 1


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "not_json"),
        ({"content-encoding": "gzip"}, 415, "not_json"),
        ({"content-length": "x"}, 400, "header_malformed"),
        ({"content-length": "999999999"}, 413, "body_too_large"),
        ({"idempotency-key": ""}, 400, "run_refused"),
        ({"idempotency-key": "é"}, 400, "run_refused"),
        ({"idempotency-key": "x" * 300}, 400, "run_refused"),
        ({"seatrial-generation": "x"}, 400, "run_refused"),
        ({"seatrial-generation": "9" * 40}, 400, "run_refused"),
        ({"authorization": "Bearer nobody"}, 401, "cell_token_missing"),
    ],
)
@in_a_loop
async def test_bad_headers_get_a_clear_error(
    quick: Door, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await quick.ask("POST", START, {"input": 1}, headers=headers)
    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("slug", ["nobody", "x" * 5_000, "Support", "%F0%9F%98%80"])
@in_a_loop
async def test_an_unknown_agent_is_not_found(quick: Door, slug: str) -> None:
    answer = await quick.ask("POST", f"/v1/agents/{slug}/runs", {"input": 1})
    assert (answer.status, answer.json["code"]) == (404, "agent_inactive")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs?limit=0",
        "/v1/runs?limit=x",
        "/v1/runs?limit=1000",
        "/v1/runs?limit=%C2%B2",
        "/v1/runs?state=done",
        "/v1/runs?local=1",
        "/v1/runs?dead=yes",
        "/v1/runs?tag=x",
        "/v1/runs?after=run_1",
        "/v1/runs?after=%00",
        "/v1/runs?agent=%00",
        "/v1/runs?agent=a&agent=b",
        "/v1/runs?agnet=a",
        "/v1/runs?agent=%",
        "/v1/sessions?after=x",
        "/v1/sessions?after=2026-01-01|a",
        "/v1/sessions?agent=%00",
        "/v1/sessions?limit=-1",
    ],
)
@in_a_loop
async def test_bad_queries_get_a_clear_error(quick: Door, path: str) -> None:
    answer = await quick.ask("GET", path, by="admin")
    assert answer.status == 400
    assert answer.json["remedy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/runs/run_1", 404),
        ("GET", "/v1/runs/%00", 400),
        ("GET", "/v1/runs/..", 400),
        ("GET", "/v1/runs/run_1/events", 404),
        ("POST", "/v1/runs/run_1/cancel", 404),
        ("POST", "/v1/runs/run_1/redrive", 404),
        ("POST", "/v1/runs/run_1/resume", 404),
        ("POST", "/v1/runs/run_1/abandon", 404),
        ("POST", "/v1/runs/run_1/restart", 404),
        ("POST", "/v1/runs/run_1/replay", 404),
        ("POST", "/v1/runs/run_1/shadow", 404),
        ("POST", "/v1/runs/run_1/events/paid", 404),
        ("GET", "/v1/sessions/nothing", 404),
        ("DELETE", "/v1/runs/run_1", 405),
        ("GET", "/v1/agents/support/runs", 405),
    ],
)
@in_a_loop
async def test_what_is_not_there_is_told_so(
    quick: Door, method: str, path: str, status: int
) -> None:
    answer = await quick.ask(method, path, {} if method == "POST" else None, by="admin")
    assert answer.status == status


@in_a_loop
async def test_runs_are_listed_page_by_page(quick: Door) -> None:
    async with quick.open():
        for n in range(5):
            await quick.ask("POST", START, {"input": n, "tags": {"n": str(n)}})
        pages, after = [], ""
        while True:
            page = (await quick.ask("GET", f"/v1/runs?limit=2{after}")).json
            pages.append([run["id"] for run in page["runs"]])
            assert all(run["input"] is None for run in page["runs"])
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert [len(page) for page in pages] == [2, 2, 1]
        assert len({run for page in pages for run in page}) == 5
        tagged = (await quick.ask("GET", "/v1/runs?tag=n:3&state=succeeded&agent=support")).json
        assert [run["tags"] for run in tagged["runs"]] == [{"n": "3"}]


@in_a_loop
async def test_who_may_see_what(quick: Door) -> None:
    async with quick.open():
        run = (await quick.ask("POST", START, {"input": "secret"})).json
        path = f"/v1/runs/{run['id']}"

        async def seen(by: str) -> tuple[int, Any]:
            answer = await quick.ask("GET", path, by=by)
            return answer.status, answer.json.get("input")

        assert await seen("app") == (200, "secret")
        assert await seen("other") == (404, None)
        assert await seen("reader") == (200, None)
        assert await seen("operator") == (403, None)
        assert quick.read_by == []
        assert await seen("payload") == (200, "secret")
        assert quick.read_by == [("payload", run["id"])]
        for by, listed in {"app": 1, "other": 0, "reader": 1, "acme": 0}.items():
            assert len((await quick.ask("GET", "/v1/runs", by=by)).json["runs"]) == listed
        for by, told in {"app": "secret", "reader": None}.items():
            events = (await quick.ask("GET", f"{path}/events", by=by)).events
            assert json.loads(events[-1].data)["output"] == told
        stranger = await quick.ask("GET", f"{path}/events", by="other")
        assert stranger.status == 404


@in_a_loop
async def test_a_payload_is_not_shown_if_that_cannot_be_noted(quick: Door) -> None:
    async def refuse(*_: object) -> None:
        raise OSError

    async with quick.open():
        run = (await quick.ask("POST", START, {"input": "secret"})).json
        quick.desk.on_payload_read = refuse
        answer = await quick.ask("GET", f"/v1/runs/{run['id']}", by="payload")
        assert answer.status == 500
        assert b"secret" not in answer.body


@in_a_loop
async def test_a_run_that_tries_drafts_is_no_evidence_for_its_release(quick: Door) -> None:
    """It may run on other prompts than the release has; where there are none, it is one as all."""
    drafts = {"drafts": "yes"}
    chat = {"model": "support", "messages": [{"role": "user", "content": "hi"}]}
    calls: list[tuple[str, Any]] = [
        (START, {"input": 1, "tags": drafts}),
        ("/v1/chat/completions", {**chat, "metadata": drafts}),
    ]
    async with quick.open():
        for environment, counted in (("staging", 0), ("production", 2)):
            quick.desk.environment = environment
            answers = [await quick.ask("POST", path, body) for path, body in calls]
            assert [each.status for each in answers] == [200, 200]
            release = Digest.parse(answers[0].headers["seatrial-release"])
            facts = await quick.stage.database.read(
                partial(quick.stage.runs.counts, release=release)
            )
            assert facts.succeeded == counted


@in_a_loop
async def test_one_tenant_learns_nothing_of_another(quick: Door) -> None:
    quick.stage.hosts.script = hang
    async with quick.open():
        call = {"input": "secret", "mode": "async", "session": "s"}
        run = (await quick.ask("POST", START, call, by="acme")).json
        assert run["tenant"] == "acme"
        for method, rest, body in [
            ("GET", "", None),
            ("GET", "/events", None),
            ("POST", "/cancel", None),
            ("POST", "/redrive", None),
            ("POST", "/resume", {}),
            ("POST", "/abandon", {}),
            ("POST", "/restart", {}),
            ("POST", "/replay", {}),
            ("POST", "/shadow", {}),
            ("POST", "/events/paid", {}),
            ("POST", "/outcome", {"outcome": "resolved"}),
            ("POST", "/feedback", {"thumbs": "up"}),
        ]:
            answer = await quick.ask(method, f"/v1/runs/{run['id']}{rest}", body, by="bolt")
            assert (answer.status, answer.json["code"]) == (404, "run_unknown"), rest
        assert (await quick.ask("GET", "/v1/runs", by="bolt")).json["runs"] == []
        assert (await quick.ask("GET", "/v1/sessions", by="bolt")).json["sessions"] == []
        assert (await quick.ask("GET", "/v1/sessions/s", by="bolt")).status == 404
        own = await quick.ask("POST", START, call, by="bolt")
        assert own.status == 202
        assert (await quick.ask("POST", f"/v1/runs/{run['id']}/cancel", by="acme")).status == 200


@in_a_loop
async def test_who_started_a_run_may_cancel_it_and_others_need_the_permission(
    quick: Door,
) -> None:
    quick.stage.hosts.script = hang
    async with quick.open():
        for by, status in {"other": 404, "reader": 403, "app": 200, "operator": 200}.items():
            run = (await quick.ask("POST", START, {"input": 1, "mode": "async"})).json
            answer = await quick.ask("POST", f"/v1/runs/{run['id']}/cancel", by=by)
            assert answer.status == status, by
            if status == 200:
                assert answer.json["state"] == "cancelled"
                again = await quick.ask("POST", f"/v1/runs/{run['id']}/cancel", by=by)
                assert (again.status, again.json["code"]) == (409, "run_state_conflict")


@in_a_loop
async def test_dead_runs_are_found_and_redriven(quick: Door) -> None:
    quick.stage.hosts.script = dying
    async with quick.open():
        run = (await quick.ask("POST", START, {"input": 1})).json
        assert run["dead"] is True
        dead = (await quick.ask("GET", "/v1/runs?dead=true", by="reader")).json["runs"]
        assert [each["id"] for each in dead] == [run["id"]]
        assert dead[0]["error"] == {"code": "host_exited", "message": None}
        assert (await quick.ask("POST", f"/v1/runs/{run['id']}/redrive")).status == 403
        quick.stage.hosts.script = chatty
        again = await quick.ask("POST", f"/v1/runs/{run['id']}/redrive", by="operator")
        assert (again.status, again.json["state"]) == (202, "queued")
        events = (await quick.ask("GET", f"/v1/runs/{run['id']}/events")).events
        assert events[-1].event == "ended"
        assert json.loads(events[-1].data)["state"] == "succeeded"


@in_a_loop
async def test_what_fits_runs_that_wait_is_refused_to_others_and_to_who_may_not(
    sqlite_url: str,
) -> None:
    async def agent(hand: Hand) -> Any:
        return await hand.wait(event="paid")

    with Database.open(sqlite_url) as database:
        door = Door(WaitingStage(database, agent=agent))
        async with door.open():
            run = (await door.ask("POST", START, {"input": 1, "mode": "async"})).json
            path = f"/v1/runs/{run['id']}"
            for verb in ("resume", "abandon", "restart", "replay"):
                assert (await door.ask("POST", f"{path}/{verb}", {})).status == 403
            while (await door.ask("GET", path)).json["state"] != "waiting":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            waits = (await door.ask("GET", "/v1/runs?waits=event")).json["runs"][0]["waits"]
            assert (waits["reason"], waits["detail"]) == ("event", "event:paid")
            assert (await door.ask("GET", "/v1/runs?waits=rain")).status == 400
            refused = await door.ask("POST", f"{path}/resume", {"reason": "x"}, by="operator")
            assert (refused.status, refused.json["code"]) == (409, "run_state_conflict")
            assert (await door.ask("POST", f"{path}/events/a b", {})).status == 400
            told = await door.ask("POST", f"{path}/events/paid", {"amount": 3})
            assert told.status == 202
            while (ended := (await door.ask("GET", path)).json)["state"] != "succeeded":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert ended["output"] == {"amount": 3}
            late = await door.ask("POST", f"{path}/events/paid", {})
            assert (late.status, late.json["code"]) == (409, "run_state_conflict")
            for verb in ("abandon", "restart"):
                late = await door.ask("POST", f"{path}/{verb}", {}, by="operator")
                assert (late.status, late.json["code"]) == (409, "run_state_conflict")


@in_a_loop
async def test_outcomes_and_feedback_are_taken_late_and_shown(quick: Door) -> None:
    async with quick.open():
        run = (await quick.ask("POST", START, {"input": 1})).json
        path = f"/v1/runs/{run['id']}"
        assert (await quick.ask("POST", f"{path}/outcome", {"outcome": "resolved"})).status == 403
        for outcome in ("escalated", "resolved"):
            judged = await quick.ask(
                "POST", f"{path}/outcome", {"outcome": outcome, "note": "n"}, by="admin"
            )
            assert judged.json["outcome"]["outcome"] == outcome
        opinion = {"thumbs": "down", "score": 0.5, "comment": "c", "correction": {"a": [1]}}
        said = await quick.ask("POST", f"{path}/feedback", opinion)
        assert (said.status, said.json["correction"]) == (201, {"a": [1]})
        shown = (await quick.ask("GET", path)).json
        assert [each.get("outcome") for each in shown["said"]] == ["escalated", "resolved", None]
        plain = (await quick.ask("GET", path, by="reader")).json
        assert plain["outcome"]["outcome"] == "resolved"
        assert plain["outcome"]["note"] is None
        assert "said" not in plain


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("outcome", {}),
        ("outcome", {"outcome": "good"}),
        ("outcome", {"outcome": "resolved", "note": 5}),
        ("outcome", {"outcome": "resolved", "note": "x" * 20_000}),
        ("outcome", {"outcome": "resolved", "note": "\0"}),
        ("feedback", {"thumbs": "sideways"}),
        ("feedback", {"score": 2}),
        ("feedback", {"score": "1"}),
        ("feedback", {"comment": "\0"}),
        ("feedback", {"stars": 5}),
        ("feedback", {}),
        ("feedback", []),
    ],
)
@in_a_loop
async def test_bad_judgements_are_refused(quick: Door, path: str, body: Any) -> None:
    async with quick.open():
        run = (await quick.ask("POST", START, {"input": 1})).json
        answer = await quick.ask("POST", f"/v1/runs/{run['id']}/{path}", body, by="admin")
        assert answer.status == 400
        assert (await quick.ask("GET", f"/v1/runs/{run['id']}")).json["said"] == []


@in_a_loop
async def test_sessions_are_listed_and_shown_with_their_runs(quick: Door) -> None:
    quick.stage.switch.active["billing"] = "billing@1"
    async with quick.open():
        for name, turn in (("s", "one"), ("s", "two"), ("t", "three")):
            await quick.ask("POST", START, {"input": turn, "session": name})
        await quick.ask("POST", "/v1/agents/billing/runs", {"input": 4, "session": "s"})
        first = (await quick.ask("GET", "/v1/sessions?limit=2", by="reader")).json
        rest = (
            await quick.ask("GET", f"/v1/sessions?limit=2&after={first['next']}", by="reader")
        ).json
        named = [(each["agent"], each["id"], each["turns"]) for each in first["sessions"]]
        assert named == [("billing", "s", 1), ("support", "t", 1)]
        assert [each["turns"] for each in rest["sessions"]] == [2]
        assert rest["next"] is None
        unclear = await quick.ask("GET", "/v1/sessions/s", by="payload")
        assert (unclear.status, unclear.json["code"]) == (409, "session_ambiguous")
        shown = (await quick.ask("GET", "/v1/sessions/s?agent=support", by="payload")).json
        assert [run["input"] for run in shown["runs"]] == ["one", "two"]
        assert len(quick.read_by) == 2
        plain = (await quick.ask("GET", "/v1/sessions/t", by="reader")).json
        assert [run["input"] for run in plain["runs"]] == [None]
        own = (await quick.ask("GET", "/v1/sessions", by="other")).json
        assert own["sessions"] == []


@in_a_loop
async def test_who_guesses_a_sessions_name_is_told_nothing_of_it(quick: Door) -> None:
    async with quick.open():
        await quick.ask("POST", START, {"input": "secret", "session": "s"})
        call = {"input": "tell", "session": "s"}
        for mode in ("wait", "async", "stream"):
            answer = await quick.ask("POST", START, {**call, "mode": mode}, by="other")
            assert (answer.status, answer.json["code"]) == (403, "session_of_other")
        assert len(quick.stage.hosts.requests) == 1
        for by in ("rotated", "admin"):
            assert (await quick.ask("POST", START, call, by=by)).status == 200
        assert len(quick.stage.hosts.requests[-1].history) == 2


def test_every_endpoint_that_changes_something_names_its_operation(quick: Door) -> None:
    table = [
        *run_routes(quick.desk),
        *session_routes(quick.desk),
        *openai_routes(quick.desk, quick._active),
    ]
    for method, path, app in table:
        assert method == "GET" or isinstance(app, Operating), path
