"""Output that a caller already has, and what a replay says instead.

What was sent is known by its length and by digests at some offsets. A replay that says the same is
held back until it has passed what the caller has, and goes on from there. One that says something
else must not be spliced to it: the stream ends with `run_restarted`.
"""

import hashlib
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The digest of the first `offset` bytes."""

    offset: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What a caller has.

    Attributes:
        marks: in rising order of offset; the last is at the end of what was sent.
    """

    marks: tuple[Mark, ...] = ()

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.marks[-1].offset if self.marks else 0

    def then(self, output: bytes) -> "Sent":
        """As it is when `output`, all of it from the start, has been sent."""
        return replace(self, marks=(*self.marks, Mark(offset=len(output), digest=_of(output))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Same:
    """The replay says the same as far as it came; `fresh` is what the caller has not got yet."""

    fresh: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Restarted:
    """The replay says something else than the caller has from some byte before `offset` on."""

    offset: int


def compare(sent: Sent, output: bytes, *, over: bool) -> Same | Restarted:
    """What may be sent of a replay's output.

    Args:
        sent: what the caller has.
        output: all that the replay has said so far.
        over: it says nothing more.
    """
    for mark in sent.marks:
        if mark.offset > len(output):
            return Restarted(offset=mark.offset) if over else Same(fresh=b"")
        if _of(output[: mark.offset]) != mark.digest:
            return Restarted(offset=mark.offset)
    return Same(fresh=output[sent.length :])


def _of(output: bytes) -> str:
    return hashlib.sha256(output).hexdigest()
