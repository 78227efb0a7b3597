"""What an answer says that it used, and who it says has answered.

An answer is bytes that pass by; nothing here may fail on them, whatever they hold.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from seatrial.cell.journal.domain.calls import Tokens
from seatrial.cell.llms.domain import Dialect, Route
from seatrial.kit.http.events import EventParser, EventTooLarge

_LARGEST_EVENT: Final = 4 << 20  # bytes; a larger one is passed on and not read


@dataclass(kw_only=True, slots=True)
class Told:
    """What has been read so far.

    Attributes:
        model: that says it has answered.
        tokens: used.
        events: that came, of a stream; each holds about one token.
    """

    model: str | None = None
    tokens: Tokens | None = None
    events: int = 0


def of_body(route: Route, body: bytes) -> Told:
    """What a whole answer says."""
    told = Told()
    value = _loaded(body)
    if value is not None:
        _take(told, route, value)
    return told


def estimated(told: Told, request_bytes: int, answer_bytes: int) -> Tokens:
    """Tokens of an answer that does not tell them, on the high side, so that a limit still holds.

    OpenAI's chat streams tell them only to whoever asks with `include_usage`. Three bytes of a
    request hold at most about a token, and an event of a stream one.
    """
    return Tokens(input=request_bytes // 3, output=told.events or answer_bytes // 3)


class StreamReader:
    """Reads a stream of events as its bytes pass by."""

    def __init__(self, route: Route) -> None:
        self.told = Told()
        self._route = route
        self._parser: EventParser | None = EventParser(limit=_LARGEST_EVENT)
        self._counts: dict[str, int] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._parser is None:
            return
        try:
            events = self._parser.feed(chunk)
        except EventTooLarge:
            self._parser = None
            return
        self.told.events += len(events)
        for event in events:
            # Most events are a few words of text: only those that say something are parsed.
            if '"usage"' in event.data or self.told.model is None:
                value = _loaded(event.data)
                if value is not None:
                    self._take(value)

    def _take(self, value: dict[str, Any]) -> None:
        if self._route is not Route.MESSAGES:
            inner = value.get("response") if self._route is Route.RESPONSES else value
            _take(self.told, self._route, inner if isinstance(inner, dict) else {})
            return
        message = value.get("message")
        if isinstance(message, dict):  # message_start: the model, and the input's count
            _model(self.told, message)
            self._count(message.get("usage"))
        self._count(value.get("usage"))  # message_delta: counts so far
        self.told.tokens = _anthropic(self._counts)

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._counts.update({k: v for k, v in usage.items() if _is_count(v)})


def _take(told: Told, route: Route, value: dict[str, Any]) -> None:
    _model(told, value)
    usage = value.get("usage")
    if isinstance(usage, dict):
        reader = _anthropic if route.dialect is Dialect.ANTHROPIC else _openai
        told.tokens = reader(usage) or told.tokens


def _model(told: Told, value: dict[str, Any]) -> None:
    model = value.get("model")
    if isinstance(model, str) and model:
        told.model = model[:200]


def _openai(usage: dict[str, Any]) -> Tokens | None:
    """Chat and embeddings count `prompt_tokens`, responses `input_tokens`; caches are within."""
    total = _first(usage, "prompt_tokens", "input_tokens")
    if total is None:
        return None
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    cached = _first(details, "cached_tokens") if isinstance(details, dict) else None
    output = _first(usage, "completion_tokens", "output_tokens")
    return Tokens(input=total, output=output or 0, cache_read=min(cached or 0, total))


def _anthropic(usage: dict[str, Any]) -> Tokens | None:
    """Anthropic counts what a cache gave or took beside `input_tokens`."""
    fresh = _first(usage, "input_tokens")
    if fresh is None:
        return None
    read = _first(usage, "cache_read_input_tokens") or 0
    written = _first(usage, "cache_creation_input_tokens") or 0
    return Tokens(
        input=fresh + read + written,
        output=_first(usage, "output_tokens") or 0,
        cache_read=read,
        cache_write=written,
    )


def _first(values: dict[str, Any], *names: str) -> int | None:
    return next((values[name] for name in names if _is_count(values.get(name))), None)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _loaded(text: bytes | str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
