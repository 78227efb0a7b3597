"""The page of errors: each kind, each exit code, each error with its cause and its remedy."""

import logging
import re
from typing import Final

from dev.reference.house import PACKAGE
from dev.reference.markdown import code, page, section, table, words
from dev.reference.page import Page
from seatrial.kit.errors import Exit, SeatrialError
from seatrial.main.explain import all_errors

_CONVERSION: Final = re.compile(r"![ars](?=[:}])")
_INTRO: Final = """\
Every error says what happened, why, and what to do, under a code that never changes. A command
shows all of it on standard error; an HTTP answer carries it as problem details (RFC 9457) of type
`urn:seatrial:error:CODE`. `seatrial explain CODE` prints an entry of this page."""


def render() -> str:
    """The page for every error of the product."""
    errors = _errors()
    return page(
        "Errors",
        _INTRO,
        section(2, "Kinds", "A kind fixes what the outside sees.", _kinds()),
        section(2, "Exit codes", _exits()),
        section(2, "All errors", _index(errors)),
        *(_entry(error) for error in errors),
    )


def kinds() -> list[type[SeatrialError]]:
    """The kinds of errors, by HTTP status."""
    found = [kind for kind in SeatrialError.__subclasses__() if "code" not in vars(kind)]
    return sorted(found, key=lambda kind: (kind.status, kind.__name__))


def _errors() -> list[type[SeatrialError]]:
    return [error for error in all_errors() if error.__module__.startswith(f"{PACKAGE}.")]


def _kinds() -> str:
    rows = [
        (
            code(kind.__name__),
            str(kind.status),
            str(int(kind.exit_code)),
            logging.getLevelName(kind.log_level).lower(),
            " ".join((kind.__doc__ or "").split()),
        )
        for kind in kinds()
    ]
    return table(("kind", "HTTP status", "exit code", "logged as", "meaning"), rows)


def _exits() -> str:
    rows = []
    for exit_code in Exit:
        of = [kind.__name__ for kind in kinds() if kind.exit_code == exit_code]
        name = exit_code.name.lower().replace("_", " ")
        rows.append((str(int(exit_code)), name, words(of) if of else "no error"))
    return table(("exit code", "name", "kinds"), rows)


def _index(errors: list[type[SeatrialError]]) -> str:
    rows = [(f"[`{error.code}`](#{error.code})", _shown(error)) for error in errors]
    return table(("code", "message"), rows)


def _entry(error: type[SeatrialError]) -> str:
    facts = (
        f"{code(_kind(error))} · HTTP status {error.status} · exit code {int(error.exit_code)} · "
        f"raised in {code(error.__module__)}"
    )
    return section(
        3,
        error.code,
        f"> {_shown(error)}",
        f"**Cause:** {error.cause}",
        f"**Remedy:** {error.remedy}",
        facts,
    )


def _kind(error: type[SeatrialError]) -> str:
    names = [kind.__name__ for kind in kinds() if issubclass(error, kind)]
    return names[0] if names else SeatrialError.__name__


def _shown(error: type[SeatrialError]) -> str:
    """The message's template, with `{name!r}` as the plain `{name}`."""
    return code(_CONVERSION.sub("", error.template()))


ERRORS: Final = Page(path="docs/reference/errors.md", render=render)
