"""An error of ours in the words of a provider, so that its unmodified client shows it."""

from typing import Any, Final

from seatrial.cell.llms.domain import Dialect
from seatrial.kit.errors import BadUpstream, SeatrialError, TimedOut, Unavailable

_PASSING: Final = (BadUpstream, Unavailable, TimedOut)
_OPENAI: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


def body_of(error: SeatrialError, dialect: Dialect) -> dict[str, Any]:
    """The body of the answer."""
    message = f"{error.message} {error.remedy}"
    if dialect is Dialect.ANTHROPIC:
        kind = _ANTHROPIC.get(error.status, _otherwise(error.status, "api_error"))
        return {
            "type": "error",
            "error": {"type": kind, "message": message, "code": error.code},
        }
    kind = _OPENAI.get(error.status, _otherwise(error.status, "server_error"))
    return {"error": {"message": message, "type": kind, "param": None, "code": error.code}}


def headers_of(error: SeatrialError) -> list[tuple[bytes, bytes]]:
    """The headers of the answer.

    Clients of both dialects repeat 409, 429 and 5xx by themselves. What a pin or a limit refuses
    stays refused, and they are told so.
    """
    retry = b"true" if isinstance(error, _PASSING) else b"false"
    return [
        (b"x-should-retry", retry),
        (b"x-seatrial-error", error.code.encode()),
        (b"cache-control", b"no-store"),
    ]


def _otherwise(status: int, fault: str) -> str:
    return "invalid_request_error" if status < 500 else fault
