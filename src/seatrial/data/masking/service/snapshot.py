"""Masks a source into a snapshot: survey, tables in turn, manifest; a run that died goes on."""

import gc
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from seatrial.data.domain import (
    MaskingKeyExposed,
    MaskUnfit,
    SnapshotExists,
    SnapshotUnfinished,
)
from seatrial.data.masking import pools
from seatrial.data.masking.patterns import Patterns
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.service.canaries import masked_canaries
from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.masking.service.people import People
from seatrial.data.masking.service.survey import survey
from seatrial.data.masking.tables import Masked, TableMasker
from seatrial.data.masking.tagging.presidio import PresidioFinder
from seatrial.data.masking.tagging.tagger import TagFinder, Tagger
from seatrial.data.masking.text import Finder, TextMasker
from seatrial.data.rules.domain import Rules
from seatrial.data.snapshots.domain import (
    CANARIES,
    TABLES,
    Manifest,
    Mode,
    Progress,
    TableEntry,
    TableProgress,
)
from seatrial.data.snapshots.writing import (
    Draft,
    LinesOut,
    ParquetOut,
    digest_of,
    partial_of,
    write_numbers,
)
from seatrial.data.sources.batches import Batch, Table
from seatrial.data.sources.opening import Source
from seatrial.data.sources.parquet import ParquetFile
from seatrial.data.sources.store.dossiers import Dossiers
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.files import write_private

_DOSSIERS: Final = "dossiers.sqlite"
_COLLECTED_EVERY: Final = 1 << 16  # objects more than before
_NOTED_EVERY: Final = 64  # batches
_OUTPUT: Final = {"csv": "csv", "parquet": "parquet"}

Told = Callable[[str, str, int], None]
"""Called with what is done (`survey` or `mask`), the table, and records so far."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be masked, and how.

    Attributes:
        source: folder, file, or a database's URL.
        rules: for all of it.
        path: where the snapshot is to be.
        key: of all pseudonyms.
        mode: what becomes of the key.
        processes: how many mask at a time; the output is the same with any number.
        resume: go on with what an earlier run left.
    """

    source: str
    rules: Rules
    path: Path
    key: MaskingKey
    mode: Mode = Mode.LINKABLE
    processes: int = 1
    resume: bool = False


def mask(order: Order, told: Told = lambda _what, _table, _records: None) -> Manifest:
    """Make the snapshot; nothing stands at `order.path` before all of it is there.

    Raises:
        SnapshotExists, SnapshotUnfinished, SnapshotDiffers: see `Draft`.
        SourceMissing, SourceBroken, RecordTooLong: the source cannot be read to its end.
        MaskUnfit, PersonMissing: a record is not what the rules say.
    """
    source, rules = Source(order.source), order.rules
    with ExitStack() as held, _clean(order), _seldom_collected():
        held.callback(source.close)
        tables = {name: source.table(name, rules) for name in rules.tables}
        begun = Progress(
            rules=str(Digest.of_json(rules.as_json())),
            key=order.key.id,
            pools=pools.version(),
            sources={name: table.size for name, table in tables.items()},
        )
        draft = Draft(order.path, begun, resume=order.resume)
        if any(table.has_text for table in rules.tables.values()):
            _survey(source, rules, draft, told)
        entries = {
            name: _Masking(order, draft, name, table, told).run() for name, table in tables.items()
        }
        planted = _plant(order, draft, begun.rules)
    manifest = Manifest(
        name=rules.name,
        mode=order.mode,
        key=order.key.id if order.mode is Mode.LINKABLE else None,
        rules=begun.rules,
        pools=begun.pools,
        tables=entries,
        canaries=planted,
    )
    draft.finish(manifest)
    return manifest


@contextmanager
def _clean(order: Order) -> Iterator[None]:
    """A sealed run that fails cannot go on, and must not leave what it knew."""
    try:
        yield
    except (SnapshotExists, SnapshotUnfinished):
        raise  # another run's
    except BaseException:
        if order.mode is Mode.SEALED:
            shutil.rmtree(partial_of(order.path), ignore_errors=True)
        raise


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Records are many objects and no cycles; looking for these was a quarter of the work."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECTED_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _plant(order: Order, draft: Draft, digest: str) -> str | None:
    """Leave the verifier's canaries in the draft; the digest of their file."""
    if not any(table.has_text for table in order.rules.tables.values()):
        return None
    pseudonyms = Pseudonyms(order.key.raw())
    content = masked_canaries(order.rules, digest, pseudonyms, _finders(order.rules, pseudonyms))
    write_private(draft.partial / CANARIES, content)
    return digest_of(draft.partial / CANARIES)[0]


def refuse_key_in(path: Path, key: Path) -> None:
    """Raise `MaskingKeyExposed` if the key's file lies, or would lie, in the snapshot."""
    if key.resolve().is_relative_to(path.resolve()):
        raise MaskingKeyExposed(path=str(path))


def _survey(source: Source, rules: Rules, draft: Draft, told: Told) -> None:
    if draft.progress.surveyed:
        return
    for stale in draft.work.glob(f"{_DOSSIERS}*"):
        stale.unlink()
    dossiers = Dossiers(draft.work / _DOSSIERS)
    try:
        survey(source, rules, dossiers, lambda table, done: told("survey", table, done))
    finally:
        dossiers.close()
    draft.note(draft.progress.model_copy(update={"surveyed": True}))


class _Masking:
    """One table on its way into the draft."""

    def __init__(self, order: Order, draft: Draft, name: str, table: Table, told: Told) -> None:
        self._order = order
        self._draft = draft
        self._name = name
        self._table = table
        self._told = told
        self._output = _OUTPUT.get(table.kind, "jsonl")
        self._file = draft.partial / TABLES / f"{name}.{self._output}"
        self._kept = draft.partial / TABLES / f"{name}.kept"
        self._subset = order.rules.subset.persons < 1 and bool(order.rules.tables[name].person)

    def run(self) -> TableEntry:
        """Mask the table, or what an earlier run left of it."""
        progress = self._draft.progress.tables.get(self._name, TableProgress())
        worker = _worker(self._order, self._draft, self._name, self._table)
        if not progress.done:
            if not progress.offset:
                progress = TableProgress()
                self._kept.unlink(missing_ok=True)
            progress = self._written(worker, progress)
        sha256, size = digest_of(self._file)
        return TableEntry(
            file=f"{TABLES}/{self._file.name}",
            format=self._output,
            records=progress.records,
            source_records=progress.source_records,
            size=size,
            sha256=sha256,
            columns=worker.masker.shown if self._table.flat else (),
            declared=_declared(self._table, worker.masker.shown),
            dropped=progress.dropped,
            kept=f"{TABLES}/{self._kept.name}" if self._subset else None,
        )

    def _written(self, worker: "_Worker", progress: TableProgress) -> TableProgress:
        out = self._opened(worker, progress)
        dropped, noted = set(progress.dropped), 0
        try:
            for batch, masked in self._masked(worker, progress):
                self._add(out, masked, batch.first - 1)
                dropped |= masked.dropped
                progress = progress.model_copy(
                    update={
                        "offset": masked.offset,
                        "records": progress.records + masked.count,
                        "source_records": batch.first - 1 + batch.count,
                        "dropped": tuple(sorted(dropped)),
                    }
                )
                self._told("mask", self._name, progress.source_records)
                noted += 1
                if noted % _NOTED_EVERY == 0:
                    progress = self._noted(progress, out.settle())
            size = out.finish()
        finally:
            out.close()
        return self._noted(progress.model_copy(update={"done": True}), size)

    def _noted(self, progress: TableProgress, size: int) -> TableProgress:
        progress = progress.model_copy(update={"size": size})
        every = self._draft.progress
        self._draft.note(
            every.model_copy(update={"tables": {**every.tables, self._name: progress}})
        )
        return progress

    def _opened(self, worker: "_Worker", progress: TableProgress) -> LinesOut | ParquetOut:
        if self._subset and progress.offset:
            with self._kept.open("r+b") as file:
                file.truncate(8 * progress.records)
        if isinstance(self._table, ParquetFile):
            schema = _schema(self._table.schema, worker.masker.shown)
            work = self._draft.work
            return ParquetOut(self._file, schema, work=work, parts=progress.size)
        out = LinesOut(self._file, size=progress.size)
        if self._output == "csv" and not progress.size:
            out.add(worker.masker.head())
        return out

    def _add(self, out: LinesOut | ParquetOut, masked: Masked, before: int) -> None:
        if self._subset:
            write_numbers(self._kept, [before + index for index in masked.kept or ()])
        if isinstance(out, LinesOut):
            out.add(masked.content)
            return
        try:
            out.add(masked.columns or [])
        except pa.ArrowException as error:
            raise MaskUnfit(
                column="of its schema",
                table=self._name,
                place=f"the records after {before}",
                mask="its column's type",
                reason=str(error).splitlines()[0].rstrip("."),
            ) from None

    def _masked(self, worker: "_Worker", progress: TableProgress) -> Iterator[tuple[Batch, Masked]]:
        batches = self._table.batches(offset=progress.offset, first=progress.source_records + 1)
        if self._order.processes == 1:
            yield from ((batch, worker(batch)) for batch in batches)
            return
        yield from self._spread(batches)

    def _spread(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Masked]]:
        """Batches masked by several processes, in their order; few are on the way at a time."""
        order = self._order
        given = (order.rules.model_dump_json(by_alias=True), order.key.raw(), self._name,
                 self._table.names, self._output, self._draft.work / _DOSSIERS)  # fmt: skip
        waiting: deque[tuple[Batch, Future[Masked]]] = deque()
        with ProcessPoolExecutor(
            order.processes, get_context("spawn"), initializer=_prepare, initargs=given
        ) as pool:
            for batch in batches:
                waiting.append((batch, pool.submit(_mask_batch, batch)))
                if len(waiting) > 2 * order.processes:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()


class _Worker:
    """Masks batches of one table, in this process."""

    def __init__(
        self,
        rules: Rules,
        key: bytes,
        name: str,
        names: tuple[str, ...],
        output: str,
        dossiers: Path,
    ) -> None:
        pseudonyms = Pseudonyms(key)
        texts = TextMasker(
            Patterns(pseudonyms) if rules.text.patterns else None, _finders(rules, pseudonyms)
        )
        self.masker: Final = TableMasker(
            name, rules, names, output=output, pseudonyms=pseudonyms, texts=texts
        )
        self._people: Any = lambda _persons: {}
        if rules.tables[name].has_text and dossiers.exists():
            self._people = People(Dossiers(dossiers, read_only=True), rules, pseudonyms)

    def __call__(self, batch: Batch) -> Masked:
        return self.masker.masked(batch, self._people)


def _finders(rules: Rules, pseudonyms: Pseudonyms) -> Sequence[Finder]:
    """What else looks for people in texts."""
    found: list[Finder] = []
    if rules.text.tagger:
        found.append(TagFinder(Tagger(), pseudonyms))
    if rules.text.presidio:
        found.append(PresidioFinder(pseudonyms))
    return found


def _worker(order: Order, draft: Draft, name: str, table: Table) -> _Worker:
    output = _OUTPUT.get(table.kind, "jsonl")
    dossiers = draft.work / _DOSSIERS
    return _Worker(order.rules, order.key.raw(), name, table.names, output, dossiers)


_HERE: Final[list[_Worker]] = []  # of a worker process: what `_prepare` made


def _prepare(
    rules: str, key: bytes, name: str, names: tuple[str, ...], output: str, dossiers: Path
) -> None:
    gc.set_threshold(_COLLECTED_EVERY, *gc.get_threshold()[1:])
    _HERE[:] = [_Worker(Rules.model_validate_json(rules), key, name, names, output, dossiers)]


def _mask_batch(batch: Batch) -> Masked:
    return _HERE[0](batch)


def _declared(table: Table, shown: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    declared = getattr(table, "declared", {})
    return {name: declared[name] for name in shown if name in declared}


def _schema(schema: pa.Schema, shown: tuple[str, ...]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in shown])
