"""What can go wrong with a source, its rules or a snapshot; messages give places, never values."""

from seatrial.kit.errors import (
    Conflict,
    Denied,
    Failed,
    GateFailed,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
)


class SourceMissing(NotFound):
    """There is no source {source!r}."""

    code = "source_missing"
    cause = "The rules name a file, folder or table that is not where the command was pointed to."
    remedy = "Correct the path of the source, or the table's `source` in the rules."


class SourceUnknown(Invalid):
    """The source {source!r} is of no kind that can be read."""

    code = "source_unknown"
    cause = "Read are .jsonl, .csv, .parquet, folders of .json and .txt, and database tables."
    remedy = "Convert it, or name the kind with `format` in the rules."


class SourceBroken(Invalid):
    """The source {source!r} is broken at {place}: {reason}."""

    code = "source_broken"
    cause = "The file was cut, is in another encoding, or is not of the kind its name says."
    remedy = "Mend or remove what stands at that place, then mask again; nothing was published."


class RecordTooLong(TooLarge):
    """The source {source!r} has a record of more than {limit} bytes at {place}."""

    code = "record_too_long"
    cause = "A line without its end is one record; it is refused before it fills the memory."
    remedy = "Look for a missing line break or quote there, or raise `largest_record` in the rules."


class PersonMissing(Invalid):
    """A record of {table!r} at {place} names no person: {path!r} is missing or empty."""

    code = "person_missing"
    cause = "The rules link this table to people by that path, and texts are masked by the link."
    remedy = "Mend the record, or set `person_optional = true` if such records are expected."


class RulesInvalid(Invalid):
    """The rules {path!r} cannot be used: {findings}."""

    code = "masking_rules_invalid"
    cause = "A field is unknown, missing, or contradicts another; rules are taken whole or not."
    remedy = "Mend the named places; `seatrial data profile` proposes rules from the data."


class MaskUnfit(Invalid):
    """Column {column!r} of {table!r} at {place} cannot be masked as {mask}: {reason}."""

    code = "mask_unfit"
    cause = "The value is not of the kind that the rule says."
    remedy = 'Choose another mask for the column, or set `unfit = "redact"` on it.'


class MaskingKeyExposed(Denied):
    """The masking key must not lie in the snapshot folder {path!r}."""

    code = "masking_key_exposed"
    cause = "Whoever has a snapshot and its key can link the people in it again."
    remedy = "Keep the key in production's vault, outside of anything that staging sees."


class SnapshotExists(Conflict):
    """There is a snapshot at {path!r} already."""

    code = "snapshot_exists"
    cause = "A snapshot is never overwritten: its verdict speaks of these bytes."
    remedy = "Choose another folder, or move the old snapshot away."


class SnapshotUnfinished(Conflict):
    """Masking into {path!r} did not finish."""

    code = "snapshot_unfinished"
    cause = "An earlier run was interrupted or met an error; its folder ends in `.partial`."
    remedy = "Go on with `--resume` and the same rules and key, or remove the partial folder."


class SnapshotMissing(NotFound):
    """There is no finished snapshot at {path!r}."""

    code = "snapshot_missing"
    cause = "The path is wrong, or masking has not finished: only a finished one has a manifest."
    remedy = "Check the path, or finish with `seatrial data mask --resume`."


class SnapshotDiffers(Conflict):
    """The partial snapshot {path!r} was begun otherwise: {reason}."""

    code = "snapshot_differs"
    cause = "One snapshot has one key, one set of rules and one source."
    remedy = "Resume with what it was begun with, or remove the partial folder and begin anew."


class SnapshotAltered(Denied):
    """The snapshot {path!r} is not what was verified: {reason}."""

    code = "snapshot_altered"
    cause = "A file was changed, added or removed after the verdict was signed."
    remedy = "Fetch the snapshot again, or mask and verify anew."


class SnapshotUnverified(GateFailed):
    """The snapshot {path!r} has no verdict."""

    code = "snapshot_unverified"
    cause = "Only a snapshot that the verifier has passed may enter an environment."
    remedy = "Run `seatrial data verify` beside the source, then hand the snapshot over."


class SnapshotFailed(GateFailed):
    """The snapshot {path!r} failed verification: {findings}."""

    code = "snapshot_failed"
    cause = "The verifier found values of the source, or a promise of the rules that is broken."
    remedy = "Read the report with `seatrial data inspect`, mend the rules, mask and verify anew."


class LoadRefused(Failed):
    """The snapshot cannot be loaded into {target!r}: {reason}."""

    code = "snapshot_load_refused"
    cause = "The target is not empty, lacks a table or column, or holds rows of its own."
    remedy = "Load into an empty folder or database that has the source's tables."


class SchemaUnfit(Invalid):
    """The JSON Schema {path!r} cannot be used: {reason}."""

    code = "json_schema_unfit"
    cause = "Records are made from objects with properties, enums, bounds and known formats."
    remedy = "Give the schema of one record, with `type: object` and its `properties`."


class DetectorMissing(NotFound):
    """The rules ask for the detector {name!r}, which is not installed."""

    code = "detector_missing"
    cause = "Outside detectors are large, so no extra of ours installs them."
    remedy = "Install it beside Seatrial (`pip install presidio-analyzer`), or turn it off."


class DataExtraMissing(Unavailable):
    """This command needs the package {package!r}, which is not installed."""

    code = "data_extra_missing"
    cause = "Masking needs the extra `data`; everything else works without it."
    remedy = "Run `pip install 'seatrial[data]'`."
