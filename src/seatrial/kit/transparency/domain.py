"""What a log holds, what it can prove, and what can be wrong with either."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.kit.crypto.values import Json
from seatrial.kit.errors import Denied, Failed, Invalid, NotFound

LARGEST_BODY: Final = 16 << 10  # bytes of canonical JSON


class LogEntryUnfit(Invalid):
    """The log cannot keep the entry: {reason}."""

    code = "log_entry_unfit"
    cause = (
        "A kind is a word of `a-z 0-9 . _ -` of at most 64 characters; subject and actor are"
        " printable text of 1 to 200; the time has a zone; the body is an object."
    )
    remedy = "Correct the named part; long texts belong elsewhere, their digest into the entry."


class LogEntryUnknown(NotFound):
    """The log has no entry {index}; it had {size} at the size asked for."""

    code = "log_entry_unknown"
    cause = "The index, or the size of a proof, lies beyond the log's end."
    remedy = "Ask for the head first; indices run from 0 to one less than its size."


class LogTampered(Failed):
    """The log is not what was logged, from entry {index} on: {reason}."""

    code = "log_tampered"
    cause = "Rows were edited, removed or put in past Seatrial, or a backup was restored by half."
    remedy = (
        "Stop writing, keep a copy of the database, and compare it from this entry on with a"
        " backup and with the checkpoints that others hold."
    )


class LogForked(Failed):
    """The log of {size} entries does not continue the checkpoint of {old} that was signed."""

    code = "log_forked"
    cause = "The database was put back to an earlier state, or rewritten, after it was signed for."
    remedy = "Nothing was signed. Find what is missing with the holder of the earlier checkpoint."


class ProofInvalid(Denied):
    """The {kind} proof does not hold: {reason}."""

    code = "proof_invalid"
    cause = "It belongs to another entry, size or log, was altered, or the log was rewritten."
    remedy = "Ask the log anew for a proof; if that fails too, verify the whole log."


class CheckpointMalformed(Invalid):
    """This is no signed checkpoint: {reason}."""

    code = "checkpoint_malformed"
    cause = "It was cut, reformatted or altered, or is another kind of document."
    remedy = "Fetch it again, byte for byte, from where it was published."


class CheckpointUntrusted(Denied):
    """The checkpoint is not signed by the key of {origin!r} that is known here."""

    code = "checkpoint_untrusted"
    cause = "It is another log's, was signed by another key, or was altered after signing."
    remedy = "Compare the fingerprint of the log's key with the one that its owner shows."


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something that was decided. No payloads and no secrets: that is its writer's duty.

    Attributes:
        kind: what, as `promotion.approved`.
        subject: about what, most often an id or a digest.
        actor: by whom, most often the name of a key or a token.
        body: the facts, at most 16 KiB as canonical JSON.
        at: when, aware.
    """

    kind: str
    subject: str
    actor: str
    body: Mapping[str, Json]
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """An entry as the log keeps it.

    Attributes:
        index: its place, from 0.
        at: as in `Entry`, to the microsecond.
        kind: likewise.
        subject: likewise.
        actor: likewise.
        body: canonical JSON.
        leaf: its hash in the tree, 64 hexadecimal digits.
        previous: that of the entry before, which `leaf` covers; empty for the first.
    """

    index: int
    at: datetime
    kind: str
    subject: str
    actor: str
    body: str
    leaf: str
    previous: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A log at some size.

    Attributes:
        size: number of entries.
        root: 32 bytes that stand for all of them.
    """

    size: int
    root: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Inclusion:
    """What proves that an entry is in a tree: up to one hash for each of its levels."""

    index: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Consistency:
    """What proves that the tree of `size` begins with the tree of `old` entries."""

    old: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogVerified:
    """A log in which nothing wrong was found.

    Attributes:
        head: at its end.
        covered: entries that a checkpoint vouches for. Those after it are only linked to each
            other: whoever owns the database could have written them anew.
    """

    head: Head
    covered: int
