"""What the journal knows of one call, and of all calls of a run together."""

import enum
from dataclasses import dataclass
from datetime import datetime


class CallKind(enum.StrEnum):
    """What was called."""

    MODEL = "model"
    PROMPT = "prompt"
    TOOL = "tool"


class CallState(enum.StrEnum):
    """How far a call came. One that stays `intent` was cut by the end of its process."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """By a pin or a limit: it was never made, and counts as no step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallKey:
    """Which call.

    Attributes:
        run: of which run.
        attempt: in which attempt.
        seq: counts the calls of the attempt from 1, in the order in which they arrived.
    """

    run: str
    attempt: int
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """What is about to be called.

    Attributes:
        kind: what.
        name: the model asked for, or the prompt's name.
        provider: whose model; None where there is no provider.
        route: the path that was called, such as `/v1/messages`.
        started: when.
        request_digest: of the body; None where there is none.
        request_bytes: its size.
        row: seq of the recorded call that this is a try at; None where nothing is recorded.
    """

    kind: CallKind
    name: str
    provider: str | None
    route: str
    started: datetime
    request_digest: str | None = None
    request_bytes: int = 0
    row: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What an answer says that it used.

    Attributes:
        input: all of the input, what came from a cache included.
        output: all of the output.
        cache_read: of the input, what was read from the provider's cache.
        cache_write: of the input, what was written to it.
    """

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of a call.

    Attributes:
        state: done, failed or refused.
        ended: when.
        latency_ms: from its arrival to the last byte.
        first_byte_ms: to the answer's head.
        status: the provider's HTTP status; None where it gave none.
        answered: the model that the provider says has answered.
        response_bytes: size of the answer's body as far as it came.
        tokens: as the answer tells them; None where it does not.
        cost_usd: by the price table; None where it does not know the model, or tokens are None.
        error: a code and a sentence; None where it went well.
    """

    state: CallState
    ended: datetime
    latency_ms: float
    first_byte_ms: float | None = None
    status: int | None = None
    answered: str | None = None
    response_bytes: int = 0
    tokens: Tokens | None = None
    cost_usd: float | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call: the intent, and the result once there is one."""

    key: CallKey
    intent: Intent
    result: Result | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """All model and tool calls of a run together.

    Attributes:
        calls: how many were begun; what was refused does not count.
        input_tokens: as far as they are known.
        output_tokens: likewise.
        cost_usd: likewise.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
