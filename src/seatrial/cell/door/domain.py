"""What the door refuses, and why."""

from seatrial.kit.errors import Invalid, NotFound, Unauthenticated


class FlagCallerUnknown(Unauthenticated):
    """{given} may evaluate flags here."""

    code = "flag_caller_unknown"
    cause = "This server takes calls with one of its tokens alone; the token is missing or another."
    remedy = "Send `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`."


class FlagUnknown(NotFound):
    """There is no flag {key!r} in {path!r}{hint}."""

    code = "flag_unknown"
    cause = "The key is mistyped, or the flag was removed."
    remedy = "Look up the keys under `flags` in the file."


class ContextUnreadable(Invalid):
    """The context is refused: {reason}."""

    code = "context_unreadable"
    cause = "A context is a JSON object of attributes; `--user` sets its `targetingKey`."
    remedy = """Write it in single quotes: `--context '{"plan": "pro"}'`."""


class SampleRefused(Invalid):
    """Line {line} of the sample is refused: {reason}."""

    code = "flag_sample_refused"
    cause = "A sample is one context, a JSON object, on each line."
    remedy = "Correct the line, or leave `--sample` out and ask made-up users."


class TokenFileRefused(Invalid):
    """The token file {path!r} is refused: {reason}."""

    code = "token_file_refused"
    cause = "It holds one token a line, in printable ASCII; lines that begin with # are notes."
    remedy = "Put a long random text there, such as that of `openssl rand -hex 32`."


class GenerationNeeded(Invalid):
    """The flag {key!r} splits users, and nothing says which generation of `fractional` counts."""

    code = "fractional_generation_needed"
    cause = "Two generations hash other bytes; taking the wrong one moves nearly every user."
    remedy = "Add `--fractional v2` (flagd's Go and JavaScript engines) or `--fractional v3`."


class ContextInvalid(Invalid):
    """The request is not for evaluation: {reason}."""

    code = "ofrep_context_invalid"
    cause = 'OFREP sends an object, `{"context": {"targetingKey": "user-1", …}}`.'
    remedy = "Send an object, and in it `context`: an object, null, or nothing at all."
