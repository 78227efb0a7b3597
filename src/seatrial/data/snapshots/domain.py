"""A snapshot's manifest: what it holds, made how; it names its key by fingerprint only."""

import enum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MANIFEST: Final = "manifest.json"
VERDICT: Final = "verdict.json"
TABLES: Final = "tables"
CANARIES: Final = "canaries.json"
SCHEMA: Final = "seatrial/snapshot/v1"
VERDICT_TYPE: Final = "https://seatrial.dev/data/verdict/v1"


class Mode(enum.StrEnum):
    """What becomes of the key."""

    LINKABLE = "linkable"
    """It stays in production's vault: later snapshots and fixtures can be joined with this one."""
    SEALED = "sealed"
    """It was made for this snapshot, never written, and went with the process that used it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableEntry(_Part):
    """One table of a snapshot.

    Attributes:
        file: below the snapshot.
        format: `jsonl`, `csv` or `parquet`.
        records: in the snapshot.
        source_records: in the source; more than `records` in a subset.
        size: bytes.
        sha256: of the file.
        columns: of a flat table, in order.
        declared: a database's types, nullability and keys.
        dropped: paths that no rule covers: they are not in the snapshot.
        kept: file that numbers the records of a subset.
    """

    file: str
    format: str
    records: Annotated[int, Field(ge=0)]
    source_records: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=0)]
    sha256: str
    columns: tuple[str, ...] = ()
    declared: dict[str, dict[str, str | bool]] = Field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    kept: str | None = None


class Manifest(_Part):
    """All of a snapshot.

    Attributes:
        schema_name: which form of manifest this is.
        name: the rules' name.
        mode: what became of the key.
        key: its fingerprint; None when sealed.
        rules: digest of the rules.
        pools: version of the pools that names were taken from.
        tables: by name.
        canaries: SHA-256 of the planted values' file; None: no text was masked.
    """

    schema_name: str = SCHEMA
    name: str
    mode: Mode
    key: str | None
    rules: str
    pools: str
    tables: dict[str, TableEntry]
    canaries: str | None = None


class TableProgress(_Part):
    """How far a table has come: a resumed run goes on from here.

    Attributes:
        offset: of the source: see `Batch`.
        size: of the output: bytes of lines, or parts of a Parquet file.
    """

    done: bool = False
    offset: int = 0
    records: int = 0
    source_records: int = 0
    size: int = 0
    dropped: tuple[str, ...] = ()


class Progress(_Part):
    """What a partial snapshot was begun with, and how far each table is.

    Attributes:
        sources: bytes of each table's source at the beginning; of a database's table its rows.
    """

    rules: str
    key: str
    pools: str
    sources: dict[str, int]
    surveyed: bool = False
    tables: dict[str, TableProgress] = Field(default_factory=dict)
