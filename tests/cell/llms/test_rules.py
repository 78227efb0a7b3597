import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.cell.journal.domain.calls import Tokens
from seatrial.cell.llms.asked import asked
from seatrial.cell.llms.domain import (
    KNOWN,
    Dialect,
    DialectMismatch,
    ModelNotPinned,
    Pins,
    Provider,
    ProviderUnfit,
    ProviderUnknown,
    Route,
    RunBudgetSpent,
    StepLimitReached,
    chosen,
    pinned,
    refuse_spent,
)
from seatrial.cell.llms.headers import to_agent, to_provider
from seatrial.cell.llms.service.calls import ModelCalls
from seatrial.cell.llms.service.listening import while_listening
from seatrial.cell.llms.service.price_table import loaded
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.service.providers import providers
from seatrial.cell.llms.usage import StreamReader, of_body
from seatrial.contract.releases.components import Limits, Model
from seatrial.kit.clock import VirtualClock
from seatrial.kit.errors import Invalid, SeatrialError
from seatrial.kit.http.asgi import Message
from seatrial.kit.http.client import HOP_BY_HOP
from seatrial.kit.http.requests import ClientGone

NOON = datetime(2026, 1, 1, tzinfo=UTC)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
_KEYS = st.sampled_from(["model", "Model", "MODEL", "stream", "messages", "modell", "x"])


@given(st.lists(st.tuples(_KEYS, st.text(max_size=5)), max_size=6), st.data())
def test_a_body_has_one_model_or_is_refused(pairs: list[tuple[str, str]], data: Any) -> None:
    def written(key: str) -> str:
        escaped = data.draw(st.sets(st.integers(0, len(key) - 1)))
        return "".join(f"\\u{ord(c):04x}" if place in escaped else c for place, c in enumerate(key))

    inner = ",".join(f'"{written(k)}":{orjson.dumps(v).decode()}' for k, v in pairs)
    body = f"{{{inner}}}".encode()
    named = [value for key, value in pairs if key.lower() == "model"]
    exact = [value for key, value in pairs if key == "model"]
    try:
        found = asked(body)
    except SeatrialError:
        assert len(named) != 1 or exact != named or not exact[0]
    else:
        assert exact == named == [found.model]


@given(st.binary(max_size=200) | _JSON.map(orjson.dumps))
def test_whatever_comes_in_is_understood_or_refused(body: bytes) -> None:
    with contextlib.suppress(Invalid):  # which is answered with 400
        asked(body)


@pytest.mark.parametrize("route", list(Route))
@given(body=st.binary(max_size=200) | _JSON.map(orjson.dumps))
@example(body=b'{"usage":{"prompt_tokens":-1}}')
@example(body=b'{"usage":{"input_tokens":true},"model":7}')
def test_no_answer_breaks_its_reader(route: Route, body: bytes) -> None:
    told = of_body(route, body)
    assert told.tokens is None or told.tokens.input >= 0
    reader = StreamReader(route)
    reader.feed(body)
    reader.feed(b"data: " + body + b"\n\n")


_STREAM = b"".join(
    b"data: %b\n\n" % orjson.dumps(event)
    for event in (
        {"model": "m", "choices": [{"delta": {"content": "Grüß"}}], "usage": None},
        {"model": "m", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    )
)


@given(st.lists(st.integers(0, len(_STREAM)), max_size=12))
def test_a_stream_says_the_same_however_it_is_cut_into_parts(cuts: list[int]) -> None:
    reader = StreamReader(Route.CHAT)
    edges = [0, *sorted(cuts), len(_STREAM)]
    for start, end in itertools.pairwise(edges):
        reader.feed(_STREAM[start:end])
    assert reader.told.model == "m"
    assert reader.told.tokens == Tokens(input=5, output=2)
    assert reader.told.events == 2


_PINS = pinned(
    "sha256:0",
    [
        Model(provider="openai", model="gpt"),
        Model(provider="anthropic", model="claude"),
        Model(provider="anthropic", model="both"),
        Model(provider="openai", model="both"),
        Model(provider="gone", model="lost"),
    ],
    Limits(),
)


@pytest.mark.parametrize(
    ("route", "model", "provider"),
    [
        (Route.CHAT, "gpt", "openai"),
        (Route.MESSAGES, "claude", "anthropic"),
        (Route.CHAT, "both", "openai"),
        (Route.MESSAGES, "both", "anthropic"),
    ],
)
def test_a_pin_chooses_the_provider(route: Route, model: str, provider: str) -> None:
    assert chosen("production", _PINS, KNOWN, route, model).name == provider


@pytest.mark.parametrize(
    ("environment", "route", "model", "error"),
    [
        ("production", Route.CHAT, "gpt-new", ModelNotPinned),
        ("production", Route.CHAT, "lost", ProviderUnknown),
        ("dev", Route.CHAT, "lost", ProviderUnknown),
        ("production", Route.MESSAGES, "gpt", DialectMismatch),
        ("dev", Route.MESSAGES, "gpt", DialectMismatch),
    ],
)
def test_no_pin_no_call(
    environment: str, route: Route, model: str, error: type[SeatrialError]
) -> None:
    with pytest.raises(error):
        chosen(environment, _PINS, KNOWN, route, model)


@given(st.text(max_size=20), st.sampled_from(list(Route)), st.text())
def test_outside_dev_only_a_pinned_model_is_ever_chosen(
    model: str, route: Route, environment: str
) -> None:
    nothing = Pins(release="r", providers={}, limits=Limits())
    try:
        chosen(environment, nothing, KNOWN, route, model)
    except ModelNotPinned:
        assert environment != "dev"
    else:
        assert environment == "dev"


@given(st.integers(0, 50), st.floats(0, 2), st.integers(1, 40), st.floats(0.01, 1.5))
def test_a_run_calls_until_a_limit_is_reached(
    calls: int, spent: float, steps: int, money: float
) -> None:
    limits = Limits(steps=steps, cost_usd=money)
    over = calls >= steps or spent >= money
    try:
        refuse_spent(limits, calls, spent)
    except (StepLimitReached, RunBudgetSpent):
        assert over
    else:
        assert not over
    refuse_spent(Limits(), calls, spent)


_NAME = st.sampled_from(
    ["authorization", "x-api-key", "cookie", "content-type", "x-custom", "te", "accept-encoding"]
)


@given(st.lists(st.tuples(_NAME, st.text(st.characters(codec="ascii"), max_size=5))))
def test_no_header_of_the_slot_or_of_a_connection_reaches_a_provider(
    sent: list[tuple[str, str]],
) -> None:
    pairs = [(b"connection", b"X-Custom, close"), *((n.encode(), v.encode()) for n, v in sent)]
    passed = to_provider(pairs, KNOWN["openai"], "key")
    names = [name for name, _ in passed]
    assert not HOP_BY_HOP & set(names)
    assert "x-custom" not in names
    assert [v for n, v in passed if n == "authorization"] == ["Bearer key"]
    assert [v for n, v in passed if n == "accept-encoding"] == ["identity"]
    assert {"cookie", "x-api-key"}.isdisjoint(names)


def test_a_providers_own_headers_stand_over_those_of_an_agent() -> None:
    own = Provider(
        name="x",
        base_url="https://x.example/v1",
        secret=None,
        dialect=Dialect.OPENAI,
        headers=(("OpenAI-Organization", "org"), ("x-team", "a")),
    )
    passed = to_provider([(b"x-team", b"b"), (b"authorization", b"Bearer sea_x")], own, None)
    assert ("OpenAI-Organization", "org") in passed
    assert [value for name, value in passed if name == "x-team"] == ["a"]
    assert "authorization" not in dict(passed)


def test_what_names_the_account_does_not_come_back() -> None:
    names = ["set-cookie", "openai-organization", "transfer-encoding", "x-request-id"]
    assert to_agent([(name, "v") for name in names]) == [(b"x-request-id", b"v")]


@pytest.mark.parametrize(
    "base_url", ["", "ftp://x/v1", "https://x/v1/", "https://x/v1?a=b", "https://u:p@x/v1"]
)
def test_a_provider_with_a_wrong_address_is_refused(base_url: str) -> None:
    wrong = Provider(name="x", base_url=base_url, secret=None, dialect=Dialect.OPENAI)
    with pytest.raises(ProviderUnfit):
        providers([wrong])


def test_settings_stand_over_what_is_known_by_itself() -> None:
    own = Provider(
        name="openai", base_url="http://127.0.0.1:1/v1", secret="x", dialect=Dialect.OPENAI
    )
    assert providers([own])["openai"] == own
    assert providers([])["anthropic"] == KNOWN["anthropic"]
    with pytest.raises(ProviderUnfit):
        providers([own, own])


@pytest.mark.parametrize("written", ["https://a.example", "https://a.example/v1"])
def test_anthropics_address_may_be_written_as_its_own_clients_take_it(written: str) -> None:
    own = Provider(name="a", base_url=written, secret="a", dialect=Dialect.ANTHROPIC)
    assert providers([own])["a"].base_url == "https://a.example/v1"


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-2024-08-06"),
        ("openai", "gpt-4.1-mini-2025-04-14"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-opus-4-5"),
        ("google", "gemini-2.5-pro"),
        ("openai", "text-embedding-3-small"),
    ],
)
def test_a_price_is_the_tables_whether_it_has_steps_or_not(provider: str, model: str) -> None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - 0.4 s that other tests can spare

    prices = Prices(VirtualClock(datetime.now(UTC)), loaded)

    async def cost(tokens: Tokens) -> float | None:
        return await prices.cost(provider, model, tokens)

    for n in (0, 1, 999, 50_000, 199_999, 200_001, 1_234_567):
        tokens = Tokens(input=n, output=n // 2, cache_read=n // 4)
        used = Usage(input_tokens=n, output_tokens=n // 2, cache_read_tokens=n // 4 or None)
        table = calc_price(used, model, provider_id=provider).total_price
        assert asyncio.run(cost(tokens)) == pytest.approx(float(table), rel=1e-9, abs=1e-12)


def test_a_model_without_a_price_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    prices = Prices(VirtualClock(NOON), loaded)

    async def ask() -> list[float | None]:
        return [await prices.cost("openai", "no-such", Tokens(input=1, output=1)) for _ in "ab"]

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(ask()) == [None, None]
    assert len(caplog.records) == 1


def test_no_table_of_prices_is_loaded_where_no_model_is_pinned() -> None:
    async def is_loaded(*models: Model) -> bool:
        prices = Prices(VirtualClock(NOON), loaded)
        around: Any = SimpleNamespace(prices=prices)
        release: Any = SimpleNamespace(models=models)
        ModelCalls(around).expect(release)
        waiting = prices._loading
        if waiting is not None:
            await waiting
        return waiting is not None

    assert not asyncio.run(is_loaded())
    assert asyncio.run(is_loaded(Model(provider="openai", model="m")))


def _client(leaves: asyncio.Event) -> Callable[[], Any]:
    async def receive() -> Message:
        await leaves.wait()
        return {"type": "http.disconnect"}

    return receive


def test_what_nobody_listens_to_is_cut_off_and_only_that() -> None:
    async def work() -> list[str]:
        said = []
        leaves = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, leaves.set)
        try:
            async with while_listening(_client(leaves)):
                await asyncio.sleep(10)
        except ClientGone:
            said.append("gone")
        await asyncio.sleep(0.01)
        said.append("went on")
        # A client that leaves at the very end cuts nothing that comes after.
        async with while_listening(_client(leaves)) as listener:
            await asyncio.sleep(0)
        said.append("left" if listener.left else "stayed")
        await asyncio.sleep(0.01)
        said.append("went on")
        async with while_listening(_client(asyncio.Event())) as listener:
            await asyncio.sleep(0)
        said.append("left" if listener.left else "stayed")
        return said

    said = ["gone", "went on", "left", "went on", "stayed"]
    assert asyncio.run(asyncio.wait_for(work(), 5)) == said


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def listen() -> None:
        async with while_listening(_client(asyncio.Event())):
            await asyncio.sleep(10)

    async def work() -> None:
        task = asyncio.create_task(listen())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
