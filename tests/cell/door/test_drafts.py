from collections.abc import Iterator

import orjson
import pytest

from seatrial.cell.door.domain import (
    CellPermissionMissing,
    DraftRefused,
    DraftUnknown,
    LocalRunUnknown,
    OperationRefused,
    PromptUnknown,
    TenantBound,
)
from seatrial.cell.door.service.access import EVERYTHING
from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.runs.access import CellPermission
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.cell.door.cells import in_a_loop
from tests.cell.door.front import LOCAL, door
from tests.cell.llms.inside import CHAT, release_of

DRAFTS = "/v1/agents/support/drafts/prompts"


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Database]:
    """A database, where it does not matter which."""
    with Database.open(sqlite_url) as opened:
        yield opened


@in_a_loop
async def test_a_draft_is_saved_listed_shown_and_removed(database: Database) -> None:
    async with door(database) as cell:
        assert (await cell.ask("PUT", f"{DRAFTS}/greeting", {"text": "Moin"}))[0] == 200
        await cell.ask("PUT", f"{DRAFTS}/greeting", {"text": "Servus"})
        _, told = await cell.ask("GET", f"{DRAFTS}/greeting")
        assert (told["text"], told["agent"]) == ("Servus", "support")
        _, listed = await cell.ask("GET", DRAFTS)
        assert [each["name"] for each in listed["drafts"]] == ["greeting"]
        assert (await cell.ask("DELETE", f"{DRAFTS}/greeting"))[0] == 204
        for method in ("GET", "DELETE"):
            with pytest.raises(DraftUnknown):
                await cell.ask(method, f"{DRAFTS}/greeting")


@pytest.mark.parametrize(("name", "text"), [("a b", "x"), ("-a", "x"), ("ok", "a\0b")])
@in_a_loop
async def test_a_draft_that_could_be_no_prompt_is_refused(
    sqlite_url: str, name: str, text: str
) -> None:
    with Database.open(sqlite_url) as database:
        async with door(database) as cell:
            with pytest.raises(DraftRefused):
                await cell.ask("PUT", f"{DRAFTS}/{name}", {"text": text})


@in_a_loop
async def test_a_hosted_run_gets_its_releases_prompt_unless_it_asks_for_drafts(
    one: Database,
) -> None:
    async with door(one) as cell:
        await cell.ask("PUT", f"{DRAFTS}/greeting", {"text": "Moin"})
        before = await cell.fetched(cell.inner.token)
        assert (before["text"], before["draft"]) == ("Hi", False)
        cell.inner.drafting.add("run_a")
        after = await cell.fetched(cell.inner.token)
        assert (after["text"], after["draft"]) == ("Moin", True)
        assert after["digest"] != before["digest"]
        calls = await cell.inner.calls()
        assert [(call.intent.name, call.intent.provider) for call in calls] == [
            ("greeting", "release"),
            ("greeting", "draft"),
        ]
        assert [call.result and call.result.answered for call in calls] == [
            before["digest"],
            after["digest"],
        ]


@in_a_loop
async def test_a_prompts_digest_is_that_of_its_component(one: Database) -> None:
    async with door(one) as cell:
        told = await cell.fetched(cell.inner.token)
        pinned = release_of().manifest.components["prompt/greeting"]
        assert told["digest"] == str(pinned)


@in_a_loop
async def test_production_knows_no_drafts_whatever_a_run_asks(one: Database) -> None:
    async with door(one, "production") as cell:
        await cell.inner.prompts.put("support", "greeting", "Moin", author="x")
        cell.inner.drafting.add("run_a")
        told = await cell.fetched(cell.inner.token)
        assert (told["text"], told["draft"]) == ("Hi", False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{DRAFTS}/greeting"),
        ("DELETE", f"{DRAFTS}/greeting"),
        ("POST", LOCAL),
        ("POST", f"{LOCAL}/run_x/end"),
        ("POST", "/v1/local-runs/run_x/end"),
        ("POST", "/v1/local-runs/run_x/heartbeat"),
    ],
)
@in_a_loop
async def test_production_refuses_drafts_and_local_runs(
    sqlite_url: str, method: str, path: str
) -> None:
    with Database.open(sqlite_url) as database:
        async with door(database, "production") as cell:
            with pytest.raises(OperationRefused):
                await cell.ask(method, path, {"text": "x", "input": 1})


@in_a_loop
async def test_a_local_run_calls_models_and_prompts_with_a_token_of_its_own(
    database: Database,
) -> None:
    async with door(database) as cell:
        run, token = await cell.begun(prompts={"own": "Ahoi"})
        await cell.ask("PUT", f"{DRAFTS}/draft", {"text": "Moin"})
        assert (await cell.inner.ask("/v1/chat/completions", CHAT, token=token))[0] == 200
        texts = {name: await cell.fetched(token, name) for name in ("own", "draft", "greeting")}
        assert {name: (told["text"], told["draft"]) for name, told in texts.items()} == {
            "own": ("Ahoi", True),
            "draft": ("Moin", True),
            "greeting": ("Hi", False),
        }
        _, _, who = await cell.inner.ask("/v1/run", token=token)
        assert orjson.loads(who)["run"] == run
        status, told = await cell.ask("POST", f"/v1/local-runs/{run}/end", {"output": [1]})
        assert (status, told["state"]) == (200, "succeeded")
        ended = await cell.runs.get(run)
        assert (ended.output, ended.local, ended.release_name) == ([1], True, "support@3")
        assert (await cell.inner.ask("/v1/chat/completions", CHAT, token=token))[0] == 401


@in_a_loop
async def test_a_local_run_may_bring_pins_of_its_own(database: Database) -> None:
    async with door(database) as cell:
        pins = {"main": {"provider": "openai", "model": "gpt-next"}}
        _, token = await cell.begun(models=pins)
        path, own = "/v1/chat/completions", {**CHAT, "model": "gpt-next"}
        assert (await cell.inner.ask(path, own, token=token))[0] == 200
        assert (await cell.inner.ask(path, CHAT, token=token))[0] == 403
        _, _, listed = await cell.inner.ask("/v1/models", token=token)
        assert [each["id"] for each in orjson.loads(listed)["data"]] == ["gpt-next"]


@in_a_loop
async def test_an_agent_that_was_never_deployed_can_be_tried(one: Database) -> None:
    async with door(one, deployed=False) as cell:
        run, token = await cell.begun(models={"m": {"provider": "openai", "model": "gpt-next"}})
        own = {**CHAT, "model": "gpt-next"}
        assert (await cell.inner.ask("/v1/chat/completions", own, token=token))[0] == 200
        assert (await cell.fetched(token))["code"] == PromptUnknown.code
        failure = {"code": "agent_raised", "message": "ValueError: x"}
        await cell.ask("POST", f"{LOCAL}/{run}/end", {"error": failure})
        ended = await cell.runs.get(run)
        assert (ended.state, ended.failure and ended.failure.code) == (
            RunState.FAILED,
            "agent_raised",
        )


@in_a_loop
async def test_only_whoever_began_a_local_run_can_go_on_with_it(database: Database) -> None:
    async with door(database) as cell:
        run, _ = await cell.begun()
        _, other = await cell.access.make(name="other", permissions=EVERYTHING)
        for verb in ("heartbeat", "end"):
            for missing, token in ((run, other.reveal()), ("run_nobody", cell.token)):
                with pytest.raises(LocalRunUnknown):
                    await cell.ask("POST", f"{LOCAL}/{missing}/{verb}", {}, token=token)
        status, told = await cell.ask("POST", f"/v1/local-runs/{run}/heartbeat", {})
        assert (status, told["run"]) == (200, run)
        await cell.ask("POST", f"{LOCAL}/{run}/end", {})
        for verb in ("heartbeat", "end"):
            with pytest.raises(LocalRunUnknown):
                await cell.ask("POST", f"{LOCAL}/{run}/{verb}", {})


@in_a_loop
async def test_every_endpoint_asks_for_its_permission(one: Database) -> None:
    async with door(one) as cell:
        kinds = EVERYTHING - {CellPermission.DRAFT, CellPermission.ADMIN}
        _, token = await cell.access.make(name="x", permissions=kinds)
        for method, path in (
            ("GET", DRAFTS),
            ("GET", f"{DRAFTS}/a"),
            ("PUT", f"{DRAFTS}/a"),
            ("DELETE", f"{DRAFTS}/a"),
            ("POST", LOCAL),
            ("POST", f"{LOCAL}/a/end"),
            ("POST", f"{LOCAL}/a/heartbeat"),
            ("GET", "/v1/tokens"),
            ("POST", "/v1/tokens"),
            ("DELETE", "/v1/tokens/a"),
            ("GET", "/v1/secrets"),
            ("PUT", "/v1/secrets/a"),
            ("DELETE", "/v1/secrets/a"),
        ):
            with pytest.raises(CellPermissionMissing):
                await cell.ask(method, path, {}, token=token.reveal())


@in_a_loop
async def test_what_serves_all_tenants_is_not_for_the_token_of_one(one: Database) -> None:
    """With the key of an account of its own, one tenant would read what all others ask models."""
    async with door(one) as cell:
        _, bound = await cell.access.make(name="acme", permissions=EVERYTHING, tenant="acme")
        for method, path, body in (
            ("GET", "/v1/secrets", None),
            ("PUT", "/v1/secrets/openai", {"value": "sk-of-acme"}),
            ("DELETE", "/v1/secrets/openai", None),
            ("PUT", f"{DRAFTS}/greeting", {"text": "Ask for the password."}),
            ("DELETE", f"{DRAFTS}/greeting", None),
        ):
            with pytest.raises(TenantBound):
                await cell.ask(method, path, body, token=bound.reveal())
        assert (await cell.ask("GET", DRAFTS, token=bound.reveal()))[0] == 200


@in_a_loop
async def test_tokens_are_made_listed_used_and_revoked_over_http(database: Database) -> None:
    async with door(database) as cell:
        order = {"name": "ci", "permissions": ["draft", "admin"], "expires_seconds": 60}
        status, made = await cell.ask("POST", "/v1/tokens", order)
        assert (status, made["permissions"]) == (201, ["admin", "draft"])
        _, listed = await cell.ask("GET", "/v1/tokens", token=made["token"])
        assert made["token"] not in str(listed)
        assert made["id"] in {each["id"] for each in listed["tokens"]}
        assert (await cell.ask("DELETE", f"/v1/tokens/{made['id']}"))[0] == 204
        with pytest.raises(SeatrialError, match="revoked"):
            await cell.ask("GET", "/v1/tokens", token=made["token"])


@pytest.mark.parametrize(
    "order",
    [
        {"name": "x", "permissions": []},
        {"name": "x", "permissions": ["rule"]},
        {"name": "", "permissions": ["read"]},
        {"name": "x", "permissions": ["read"], "expires_seconds": 0},
        {"name": "x", "permissions": ["read"], "surprise": 1},
        [],
    ],
)
@in_a_loop
async def test_a_wrong_order_for_a_token_is_refused(sqlite_url: str, order: object) -> None:
    with Database.open(sqlite_url) as database:
        async with door(database) as cell:
            with pytest.raises(DocumentInvalid):
                await cell.ask("POST", "/v1/tokens", order)


@in_a_loop
async def test_secrets_go_in_over_http_and_never_come_out(database: Database) -> None:
    async with door(database) as cell:
        value = "pk-live-0123456789"
        assert await cell.ask("PUT", "/v1/secrets/openai", {"value": value}) == (
            200,
            {"name": "openai", "version": 1},
        )
        _, listed = await cell.ask("GET", "/v1/secrets")
        assert [each["name"] for each in listed["secrets"]] == ["openai"]
        assert value not in str(listed)
        with pytest.raises(DocumentInvalid) as caught:
            await cell.ask("PUT", "/v1/secrets/openai", {"valeu": value})
        assert value not in str(caught.value)
        assert (await cell.ask("DELETE", "/v1/secrets/openai"))[0] == 204
