"""Loads a snapshot into a folder or a database, if a trusted verifier has passed it."""

import shutil
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.data.domain import LoadRefused
from seatrial.data.snapshots.domain import Manifest, TableEntry
from seatrial.data.snapshots.service import admitted
from seatrial.data.sources.opening import opened
from seatrial.data.sources.store.target import Target
from seatrial.kit.crypto.signing import VerifyKey


def load(snapshot: Path, target: str, trusted: Collection[VerifyKey]) -> dict[str, int]:
    """Put the snapshot's tables into `target`; how many records each has.

    Args:
        snapshot: its folder.
        target: a folder that is not there yet, or a database's URL.
        trusted: whose verdict counts here.

    Raises:
        SnapshotFailed, SnapshotUnverified, SnapshotAltered, EnvelopeUntrusted: it may not enter.
        LoadRefused: the target cannot take it.
    """
    manifest = admitted(snapshot, trusted)
    if "://" in target:
        return _into_database(snapshot, manifest, target)
    return _into_folder(snapshot, manifest, Path(target))


def _into_folder(snapshot: Path, manifest: Manifest, folder: Path) -> dict[str, int]:
    if folder.exists():
        raise LoadRefused(target=str(folder), reason="it is there already")
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for entry in manifest.tables.values():
        shutil.copyfile(snapshot / entry.file, draft / Path(entry.file).name)
    draft.rename(folder)
    return {name: entry.records for name, entry in manifest.tables.items()}


def _into_database(snapshot: Path, manifest: Manifest, url: str) -> dict[str, int]:
    flat = {name: entry for name, entry in manifest.tables.items() if entry.declared}
    if not flat:
        raise LoadRefused(target=url.rpartition("@")[2], reason="no table came from a database")
    target = Target(url)
    try:
        return target.fill(
            {
                name: (entry.declared, partial(_rows, snapshot, entry))
                for name, entry in flat.items()
            }
        )
    finally:
        target.close()


def _rows(snapshot: Path, entry: TableEntry) -> Iterator[list[dict[str, Any]]]:
    table = opened(snapshot / entry.file, kind=entry.format)
    for batch in table.batches():
        yield batch.rows(table.names)
