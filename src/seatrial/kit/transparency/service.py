"""Log what was decided, in the transaction that decided it, and prove it to others.

Appends are serialised by a lock on the head's row, so the log has one order and no gap. On
PostgreSQL that makes use cases that log run one after the other from their `append` on: append as
the last thing that a use case does. Commit with `Durability.FULL`, the default: what a checkpoint
has vouched for must not be gone after a power cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.transparency import store
from seatrial.kit.transparency.checkpoints import Checkpoint, sign_checkpoint
from seatrial.kit.transparency.domain import (
    Consistency,
    Entry,
    Head,
    Inclusion,
    LogEntryUnknown,
    LogForked,
    LogTampered,
    LogVerified,
    ProofInvalid,
    Record,
)
from seatrial.kit.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    Range,
    consistency_ranges,
    inclusion_ranges,
    joined,
    subtrees,
    verify_consistency,
)
from seatrial.kit.transparency.records import leaf_of, recorded

_PAGE: Final = 1_000  # records read at a time by `every_entry`


def append(connection: Connection, entry: Entry) -> int:
    """Log `entry` if the use case commits.

    Returns:
        Its index.

    Raises:
        LogEntryUnfit, JsonUnfit, JsonTooDeep, JsonTooLarge: it cannot be kept.
        LogTampered: the head of the log is gone.
    """
    before = store.head(connection, lock=True)
    record = recorded(entry, before.frontier.size, before.last)
    frontier, nodes = before.frontier.grown(bytes.fromhex(record.leaf))
    store.add(connection, record, nodes, frontier)
    return record.index


def head(connection: Connection) -> Head:
    """How long the log is, and its root."""
    frontier = store.head(connection).frontier
    return Head(size=frontier.size, root=frontier.root)


def head_at(connection: Connection, size: int) -> Head:
    """What `head` said when the log had `size` entries.

    Raises:
        LogEntryUnknown: it never had so many.
        LogTampered: a hash is gone.
    """
    present = store.head(connection).frontier.size
    if not 0 <= size <= present:
        raise LogEntryUnknown(index=size - 1, size=present)
    (root,) = _hashes(connection, [(0, size)]) if size else (EMPTY_ROOT,)
    return Head(size=size, root=root)


def entries(
    connection: Connection, after: int, limit: int, subject: str | None = None
) -> tuple[Record, ...]:
    """Records that follow the first `after` of the log, at most `limit`, in order.

    With a `subject`, only those about it; go on after `index + 1` of the last one.
    """
    return store.records(connection, after, limit, subject)


def every_entry(connection: Connection) -> Iterator[Record]:
    """The whole log, in order, a page at a time. Use it within one use case that reads."""
    page = store.records(connection, 0, _PAGE)
    while page:
        yield from page
        page = store.records(connection, page[-1].index + 1, _PAGE)


def prove(connection: Connection, index: int, size: int | None = None) -> Inclusion:
    """What proves that entry `index` is in the log of `size` entries, by default of all.

    Raises:
        LogEntryUnknown: there is no such entry, or the log never had that size.
        LogTampered: a hash is gone.
    """
    size = _known(connection, index, size)
    hashes = _hashes(connection, inclusion_ranges(index, size))
    return Inclusion(index=index, size=size, hashes=hashes)


def prove_growth(connection: Connection, old: int, size: int | None = None) -> Consistency:
    """What proves that the log of `size` entries, by default all, continues that of `old`.

    Raises:
        LogEntryUnknown: `old` is 0, or the log never had one of these sizes.
        LogTampered: a hash is gone.
    """
    size = _known(connection, old - 1, size)
    return Consistency(
        old=old, size=size, hashes=_hashes(connection, consistency_ranges(old, size))
    )


def checkpoint(
    connection: Connection, key: SigningKey, origin: str, since: Checkpoint | None = None
) -> str:
    """The log's head as a signed note. Run it by `Database.read`: only what is committed is signed.

    Args:
        connection: of a use case that reads.
        key: the log's own.
        origin: the log's name, see `Checkpoint`.
        since: the last checkpoint that was signed, kept by the caller outside the database if it
            can. Whoever gives it cannot be made to sign a rewritten log.

    Raises:
        LogForked: the log does not continue `since`.
        CheckpointMalformed: the origin cannot be a log's name.
    """
    now = head(connection)
    if since is not None and since.head.size:
        _refuse_fork(connection, since.head, now)
    return sign_checkpoint(Checkpoint(origin=origin, head=now), key)


def verify_log(records: Iterable[Record], checkpoints: Iterable[Checkpoint] = ()) -> LogVerified:
    """Look at a whole log without its database, its process or its network.

    Row by row: the index, the leaf hash made anew, the link to the row before; and at each
    checkpoint's size the root. Whoever rewrote rows and all hashes with them is found by the first
    checkpoint that covers a change; the index told is then where the last good one ends, the
    earliest that the change can be.

    Args:
        records: in order from index 0.
        checkpoints: of this log, verified (`open_checkpoint`), in any order.

    Raises:
        LogTampered: with the first index at which something is wrong.
    """
    due = sorted((known.head for known in checkpoints), key=lambda known: known.size)
    frontier, last, covered = Frontier(), "", 0
    covered = _settle(due, frontier, covered)
    for record in records:
        _refuse_altered(record, frontier.size, last)
        last = record.leaf
        frontier, _ = frontier.grown(bytes.fromhex(last))
        covered = _settle(due, frontier, covered)
    if due:
        raise LogTampered(
            index=frontier.size,
            reason=f"it ends here, a checkpoint covers {due[-1].size}, and of what is left only"
            f" the first {covered} are vouched for",
        )
    return LogVerified(head=Head(size=frontier.size, root=frontier.root), covered=covered)


def _settle(due: list[Head], frontier: Frontier, covered: int) -> int:
    """Take off `due` what is of this size; how many entries are covered then."""
    while due and due[0].size == frontier.size:
        if due.pop(0).root != frontier.root:
            raise LogTampered(
                index=covered,
                reason=f"rows before {frontier.size} were rewritten with all their hashes",
            )
        covered = frontier.size
    return covered


def _refuse_altered(record: Record, index: int, last: str) -> None:
    if record.index != index:
        raise LogTampered(index=index, reason=f"entry {record.index} stands in its place")
    if not _is_whole(record):
        raise LogTampered(index=index, reason="its content does not give its hash")
    if record.previous != last:
        raise LogTampered(index=index, reason="it does not follow the entry before it")


def _is_whole(record: Record) -> bool:
    texts = (record.kind, record.subject, record.actor, record.body, record.leaf, record.previous)
    # SQLite keeps a number or bytes in a text column too, if somebody puts them there.
    return all(type(text) is str for text in texts) and record.leaf == leaf_of(record)


def _refuse_fork(connection: Connection, old: Head, now: Head) -> None:
    try:
        if old.size > now.size:
            raise LogForked(size=now.size, old=old.size)
        verify_consistency(old.root, prove_growth(connection, old.size), now.root)
    except (ProofInvalid, LogTampered) as error:
        raise LogForked(size=now.size, old=old.size) from error


def _known(connection: Connection, index: int, size: int | None) -> int:
    present = store.head(connection).frontier.size
    size = present if size is None else size
    if not 0 <= index < size <= present:
        raise LogEntryUnknown(index=index, size=min(size, present))
    return size


def _hashes(connection: Connection, ranges: Sequence[Range]) -> tuple[bytes, ...]:
    """The hash of each range, of the few that are kept."""
    needed = [subtrees(leaves) for leaves in ranges]
    found = store.hashes(connection, [position for some in needed for position in some])
    try:
        return tuple(joined([found[position] for position in some]) for some in needed)
    except KeyError as error:
        lost = int(error.args[0])
        raise LogTampered(index=_first_leaf(lost), reason="a hash of the tree is gone") from None


def _first_leaf(position: int) -> int:
    level = (position ^ (position + 1)).bit_length() - 1
    return position >> (level + 1) << level
