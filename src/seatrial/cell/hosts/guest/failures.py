"""What goes wrong in a guest, as the parent is told: a code, a sentence, and the agent's trace."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_OURS: Final = str(Path(__file__).parent)
_LONGEST_MESSAGE: Final = 2_000  # characters
_LONGEST_TRACE: Final = 16_000  # characters; of a longer one the end is kept, where the cause is


class GuestError(Exception):
    """A failure with a code of its own."""

    def __init__(self, code: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trace = trace

    def told(self) -> dict[str, Any]:
        """The failure as JSON."""
        return {
            "code": self.code,
            "message": _clean(self.message)[:_LONGEST_MESSAGE],
            "trace": _clean(self.trace)[-_LONGEST_TRACE:],
        }


def raised(code: str, error: BaseException) -> GuestError:
    """What the agent's own code raised, with the lines of the agent alone."""
    try:
        message = f"{type(error).__name__}: {error}"
    except Exception as second:  # noqa: BLE001 - `__str__` is the agent's code too
        message = f"{type(error).__name__}, whose message fails with {type(second).__name__}"
    try:
        trace = _trace(error)
    except Exception as second:  # noqa: BLE001 - so are `__cause__`, `__notes__` and `__repr__`
        trace = f"no trace: {type(second).__name__} while it was written"
    return GuestError(code, message, trace)


def _trace(error: BaseException) -> str:
    told = traceback.TracebackException(
        type(error), error, _agents_own(error.__traceback__), limit=-40, compact=True
    )
    return "".join(told.format())


def _agents_own(trace: TracebackType | None) -> TracebackType | None:
    """The trace from the last frame of this program on; asyncio stands between two of them."""
    found = trace
    for each in _each(trace):
        if each.tb_frame.f_code.co_filename.startswith(_OURS):
            found = each.tb_next
    return found


def _each(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _clean(text: str) -> str:
    """`text` without half surrogate pairs, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
