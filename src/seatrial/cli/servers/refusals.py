"""A server's problem, raised as if it had happened here: same code, cause, remedy, exit code."""

import json
from typing import Any, Final

from seatrial.cli.servers.domain import AnswerUnexpected, RemoteRefused
from seatrial.kit.errors import Exit, SeatrialError, catalogue
from seatrial.kit.text import printable

_EXITS: Final = {
    400: Exit.USAGE,
    401: Exit.DENIED,
    403: Exit.DENIED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    413: Exit.USAGE,
    422: Exit.GATE_FAILED,
    423: Exit.STOPPED,
    503: Exit.UNREACHABLE,
    504: Exit.UNREACHABLE,
}
_LONGEST: Final = 2_000  # characters of each text that a server may make us show


def refusal(peer: str, status: int, body: bytes) -> SeatrialError:
    """The error that the answer `body` under `status` tells.

    Its class is the one of that code where this process knows it, so that callers can catch it.
    """
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("code"), str):
        return AnswerUnexpected(peer=peer, reason=f"status {status} without a problem document")
    detail = _text(told.get("detail")) or f"status {status}"
    known = next((each for each in catalogue() if each.code == told["code"]), None)
    error: SeatrialError
    if known is None:
        error = RemoteRefused(detail=detail.rstrip("."))
        told_of = {name: _text(told.get(name)) for name in ("code", "cause", "remedy")}
        error.__dict__.update({name: text for name, text in told_of.items() if text})
        error.__dict__["exit_code"] = _EXITS.get(status, Exit.FAILED)
    else:
        error = known.__new__(known)
        Exception.__init__(error, detail)
        error.fields = {}
    error.__dict__["status"] = status
    return error


def _text(value: object) -> str:
    return printable(value[:_LONGEST]) if isinstance(value, str) else ""
