"""Reads snapshots, and is the only door through which one is loaded."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seatrial.data.domain import (
    SnapshotAltered,
    SnapshotFailed,
    SnapshotMissing,
    SnapshotUnverified,
)
from seatrial.data.snapshots.domain import (
    CANARIES,
    MANIFEST,
    TABLES,
    VERDICT,
    VERDICT_TYPE,
    Manifest,
)
from seatrial.data.snapshots.writing import digest_of
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import Envelope
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.crypto.statements import Statement, verify_statement


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a trusted verifier said of a snapshot.

    Attributes:
        report: counts and findings.
        signers: who said it.
    """

    report: dict[str, Any]
    signers: frozenset[VerifyKey]


def read_manifest(snapshot: Path) -> tuple[Manifest, Digest]:
    """The manifest of the snapshot at `snapshot`, and its digest.

    Raises:
        SnapshotMissing: there is none: masking has not finished.
        SnapshotAltered: it is not as we write it.
    """
    try:
        content = (snapshot / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise SnapshotMissing(path=str(snapshot)) from None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise SnapshotAltered(path=str(snapshot), reason="its manifest is unreadable") from None
    return manifest, Digest.of(content)


def check_files(snapshot: Path, manifest: Manifest) -> None:
    """Raise `SnapshotAltered` unless each file is there as the manifest names it, and no other."""
    expected = {entry.file for entry in manifest.tables.values()}
    expected |= {entry.kept for entry in manifest.tables.values() if entry.kept}
    for path in (snapshot / TABLES).iterdir():
        if f"{TABLES}/{path.name}" not in expected:
            raise SnapshotAltered(path=str(snapshot), reason=f"it has a file more: {path.name!r}")
    if manifest.canaries is not None:
        planted = snapshot / CANARIES
        if not planted.is_file() or digest_of(planted)[0] != manifest.canaries:
            raise SnapshotAltered(path=str(snapshot), reason="its canaries were changed")
    for name, entry in manifest.tables.items():
        if not (snapshot / entry.file).is_file():
            raise SnapshotAltered(path=str(snapshot), reason=f"the table {name!r} is missing")
        if digest_of(snapshot / entry.file) != (entry.sha256, entry.size):
            raise SnapshotAltered(path=str(snapshot), reason=f"the table {name!r} was changed")


def read_verdict(snapshot: Path, trusted: Collection[VerifyKey]) -> Verdict:
    """What a trusted verifier said of exactly this snapshot.

    Raises:
        SnapshotUnverified: nobody has verified it.
        SnapshotAltered: the verdict is of another snapshot.
        EnvelopeUntrusted, EnvelopeMalformed: no trusted key signed it.
    """
    _, digest = read_manifest(snapshot)
    try:
        content = (snapshot / VERDICT).read_bytes()
    except FileNotFoundError:
        raise SnapshotUnverified(path=str(snapshot)) from None
    signed = verify_statement(content, trusted=trusted)
    statement: Statement = signed.statement
    same = [subject.digest for subject in statement.subjects] == [digest]
    if not same or statement.predicate_type != VERDICT_TYPE:
        raise SnapshotAltered(path=str(snapshot), reason="its verdict is of another snapshot")
    return Verdict(report=dict(statement.predicate), signers=signed.signers)


def read_report(snapshot: Path) -> dict[str, Any]:
    """What the verdict says, whoever signed it: to be looked at, not to be trusted.

    Raises:
        SnapshotUnverified: there is none.
        EnvelopeMalformed, StatementMalformed: it is no verdict.
    """
    try:
        content = (snapshot / VERDICT).read_bytes()
    except FileNotFoundError:
        raise SnapshotUnverified(path=str(snapshot)) from None
    return dict(Statement.parse(Envelope.parse(content).payload).predicate)


def admitted(snapshot: Path, trusted: Collection[VerifyKey]) -> Manifest:
    """The manifest of a snapshot that may be loaded: verified, passed, and unchanged since.

    Raises:
        SnapshotFailed: the verifier found something.
        SnapshotUnverified, SnapshotAltered, SnapshotMissing, EnvelopeUntrusted: see above.
    """
    verdict = read_verdict(snapshot, trusted)
    if verdict.report.get("passed") is not True:
        said = "; ".join(str(finding) for finding in verdict.report.get("findings", ()))
        raise SnapshotFailed(path=str(snapshot), findings=said or "it was not passed")
    manifest, _ = read_manifest(snapshot)
    check_files(snapshot, manifest)
    return manifest
