"""Names for things: sortable by birth, unguessable, readable in a log.

`run_01jd7v6k3q8zr5m0c4x9tn2hbe`: a kind, then 26 characters of Crockford's base 32 holding 48 bits
of milliseconds and 80 random bits. Sorting the text sorts by time; ids made by one `Ids` in the
same millisecond still rise.
"""

import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from seatrial.kit.clock import Clock
from seatrial.kit.errors import Invalid

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH: Final = 26
_RANDOM_BITS: Final = 80
_PAIRS: Final = [one + two for one in _DIGITS for two in _DIGITS]
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_KIND: Final = re.compile(r"[a-z]{2,12}\Z")
_ID: Final = re.compile(rf"([a-z]{{2,12}})_([0-7][{_DIGITS}]{{{_LENGTH - 1}}})\Z")


class IdMalformed(Invalid):
    """{text!r} is not an id of kind {kind!r}."""

    code = "id_malformed"
    cause = "An id is its kind, an underscore and 26 lower-case letters and digits."
    remedy = "Copy the id whole, as the list or the answer that named it shows it."


class Ids:
    """A source of ids. One serves a whole process; it may be shared by threads."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last = -1
        self._lock = threading.Lock()

    def new(self, kind: str) -> str:
        """A fresh id such as `run_01jd7v6k3q8zr5m0c4x9tn2hbe`, larger than all before it."""
        if not _KIND.match(kind):
            raise ValueError(f"id kind {kind!r} is not 2 to 12 lower-case letters")
        milliseconds = int(self._clock.now().timestamp() * 1000)
        fresh = milliseconds << _RANDOM_BITS | self._random_bits(_RANDOM_BITS)
        with self._lock:
            # A clock that stands or steps back must not make ids fall: count on from the last.
            if fresh <= self._last:
                fresh = self._last + 1
            self._last = fresh
        return f"{kind}_{_encoded(fresh)}"


def born(text: str, kind: str) -> datetime:
    """When the id `text` of `kind` was made, to the millisecond.

    Raises:
        IdMalformed: it is not an id, or of another kind.
    """
    match = _ID.match(text)
    if match is None or match[1] != kind:
        raise IdMalformed(text=text, kind=kind)
    number = 0
    for digit in match[2]:
        number = number << 5 | _VALUES[digit]
    return datetime.fromtimestamp((number >> _RANDOM_BITS) / 1000, UTC)


def _encoded(number: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * (_LENGTH - 2), -1, -10)])
