"""The root of every error: what happened, why, and what to do, under a code that never changes.

An error class says its message in its docstring, as a format string over its fields:

    class ReleaseUnknown(NotFound):
        '''No release {release!r} of agent {agent!r}.'''

        code = "release_unknown"
        cause = "The name or digest was never deployed here, or belongs to another agent."
        remedy = "List what there is with `seatrial releases list`."

    raise ReleaseUnknown(release="support@14", agent="support")

Concrete errors stand in the `domain.py` of the room whose rule raises them; this file holds the
kinds. A kind fixes what the outside sees: HTTP status, exit code and log level.
"""

import enum
import logging
import re
import string
from typing import Any, ClassVar, Final

_CODE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")
_LONGEST_FIELD: Final = 300  # characters of one field that a message may quote: input may be huge
_FORMATTER: Final = string.Formatter()
_CATALOGUE: "dict[str, type[SeatrialError]]" = {}


class Exit(enum.IntEnum):
    """Exit codes of the `seatrial` command, stable for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    GATE_FAILED = 6
    STOPPED = 7
    UNREACHABLE = 8


class SeatrialError(Exception):
    """The root. Catch it at an edge, raise one of its concrete classes anywhere.

    Attributes:
        code: stable name, unique in the product, snake_case with at least two words.
        cause: why this happens, for a person who meets it the first time.
        remedy: what that person can do now.
        status: HTTP status of the answer.
        exit_code: exit code of a command that ends with it.
        log_level: level under which an edge logs it.
        fields: the values that the message quotes.
    """

    code: ClassVar[str]
    cause: ClassVar[str]
    remedy: ClassVar[str]
    status: ClassVar[int] = 500
    exit_code: ClassVar[Exit] = Exit.FAILED
    log_level: ClassVar[int] = logging.ERROR

    _template: ClassVar[str]
    _names: ClassVar[frozenset[str]]

    def __init_subclass__(cls, *, kind: bool = False) -> None:
        """Refuse a concrete class without code, cause and remedy, and a code used twice."""
        super().__init_subclass__()
        if not kind:
            _register(cls)

    def __init__(self, **fields: object) -> None:
        if fields.keys() != self._names:
            raise TypeError(
                f"{type(self).__name__} takes {sorted(self._names)}, got {sorted(fields)}"
            )
        self.fields: dict[str, Any] = fields
        shown = {name: _shortened(value) for name, value in fields.items()}
        super().__init__(self._template.format(**shown))

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.fields)

    @classmethod
    def template(cls) -> str:
        """The message with its fields' names in place of values."""
        return cls._template

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        return str(self)


class Invalid(SeatrialError, kind=True):
    """The input breaks a rule that its sender can read."""

    status, exit_code, log_level = 400, Exit.USAGE, logging.INFO


class TooLarge(SeatrialError, kind=True):
    """The input is larger than what is accepted here."""

    status, exit_code, log_level = 413, Exit.USAGE, logging.INFO


class Unauthenticated(SeatrialError, kind=True):
    """Nobody known is calling."""

    status, exit_code, log_level = 401, Exit.DENIED, logging.WARNING


class Denied(SeatrialError, kind=True):
    """The caller is known and may not do this, or not alone."""

    status, exit_code, log_level = 403, Exit.DENIED, logging.WARNING


class NotFound(SeatrialError, kind=True):
    """What was named is not here."""

    status, exit_code, log_level = 404, Exit.NOT_FOUND, logging.INFO


class Conflict(SeatrialError, kind=True):
    """The state has moved on, or another holds what was asked for."""

    status, exit_code, log_level = 409, Exit.CONFLICT, logging.INFO


class GateFailed(SeatrialError, kind=True):
    """A gate of the environment is not met."""

    status, exit_code, log_level = 422, Exit.GATE_FAILED, logging.WARNING


class Stopped(SeatrialError, kind=True):
    """The kill switch is on for this scope."""

    status, exit_code, log_level = 423, Exit.STOPPED, logging.WARNING


class Limited(SeatrialError, kind=True):
    """A limit or budget is used up for now."""

    status, exit_code, log_level = 429, Exit.FAILED, logging.INFO


class Failed(SeatrialError, kind=True):
    """An accepted piece of work did not succeed, for a reason that is known."""

    status, exit_code, log_level = 500, Exit.FAILED, logging.ERROR


class BadUpstream(SeatrialError, kind=True):
    """A server that we called answered something that cannot be used."""

    status, exit_code, log_level = 502, Exit.FAILED, logging.WARNING


class Unavailable(SeatrialError, kind=True):
    """Something needed does not answer at present; the same call may succeed later."""

    status, exit_code, log_level = 503, Exit.UNREACHABLE, logging.WARNING


class TimedOut(SeatrialError, kind=True):
    """Something needed did not answer in the time allowed."""

    status, exit_code, log_level = 504, Exit.UNREACHABLE, logging.WARNING


def catalogue() -> tuple[type[SeatrialError], ...]:
    """Every concrete error of the modules imported so far, by code."""
    return tuple(_CATALOGUE[code] for code in sorted(_CATALOGUE))


def problem(error: SeatrialError, *, instance: str | None = None) -> dict[str, Any]:
    """The error as problem details (RFC 9457), the body of every HTTP answer that is an error.

    Args:
        error: what is told.
        instance: the request's id, so that the reader can find it in the log.
    """
    body: dict[str, Any] = {
        "type": f"urn:seatrial:error:{error.code}",
        "title": _first_words(type(error)),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "cause": error.cause,
        "remedy": error.remedy,
    }
    if instance is not None:
        body["instance"] = instance
    return body


def _register(cls: type[SeatrialError]) -> None:
    where = f"{cls.__module__}.{cls.__qualname__}"
    code = cls.__dict__.get("code", "")
    if not _CODE.match(code):
        raise TypeError(f"{where}: code {code!r} is not snake_case of two words or more")
    missing = [part for part in ("__doc__", "cause", "remedy") if not cls.__dict__.get(part)]
    if missing:
        raise TypeError(f"{where}: an error needs {', '.join(missing)}")
    twin = _CATALOGUE.get(code)
    if twin is not None and (twin.__module__, twin.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise TypeError(f"{where}: code {code!r} belongs to {twin.__module__}.{twin.__qualname__}")
    cls._template = " ".join((cls.__doc__ or "").split())
    cls._names = frozenset(name for _, name, _, _ in _FORMATTER.parse(cls._template) if name)
    _CATALOGUE[code] = cls


def _revive(cls: type[SeatrialError], fields: dict[str, object]) -> SeatrialError:
    return cls(**fields)


def _shortened(value: object) -> object:
    if isinstance(value, int | float | bool | None):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_FIELD else f"{text[:_LONGEST_FIELD]}…"


def _first_words(cls: type[SeatrialError]) -> str:
    return cls.code.replace("_", " ").capitalize()


class Fault(SeatrialError):
    """An internal error; it is logged under {incident!r}."""

    code = "internal_fault"
    cause = "A defect of Seatrial: an edge met an exception that no rule names."
    remedy = "Report the incident with the log lines that carry its id; retrying may help."
