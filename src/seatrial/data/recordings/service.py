"""Recordings in files: one JSON object a line."""

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from seatrial.data.recordings.domain import Recording, RecordingRefused
from seatrial.data.recordings.readers import Form, Unfit, found
from seatrial.kit.documents import findings
from seatrial.kit.files import write_private

LARGEST: Final = 256 << 20
"""Bytes of a file, unpacked."""
_GZIP: Final = b"\x1f\x8b"


def imported(
    path: Path, form: Form, *, model: str | None = None, skip: bool = False
) -> tuple[list[Recording], list[str]]:
    """The recordings of somebody else's file, and why conversations were left out.

    Args:
        path: JSON, packed by gzip or not.
        form: of the file.
        model: that answered, where the file does not say, or says otherwise than is wanted.
        skip: leave out what has no script.

    Raises:
        RecordingRefused: it cannot be read, or something in it has no script and `skip` is false.
    """
    data = _json(path)
    recordings: list[Recording] = []
    left_out: list[str] = []
    name = ""
    try:
        for name, read in found(form, data, model):
            try:
                recordings.append(read())
            except Unfit as error:
                if not skip:
                    raise
                left_out.append(f"{name}: {error}")
    except Unfit as error:
        raise RecordingRefused(path=str(path), reason=f"{name}: {error}") from None
    except ValidationError as error:
        raise RecordingRefused(path=str(path), reason=findings(Recording, error)) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"it is no file of {form}"
        raise RecordingRefused(path=str(path), reason=reason) from None
    return _unique(path, recordings), left_out


def load(path: Path) -> list[Recording]:
    """The recordings of a file that `save` wrote; raises `RecordingRefused`."""
    recordings = []
    for number, line in enumerate(io.BytesIO(_bytes(path)), 1):
        if not line.strip():
            continue
        try:
            recordings.append(Recording.model_validate_json(line))
        except ValidationError as error:
            reason = f"line {number}: {findings(Recording, error)}"
            raise RecordingRefused(path=str(path), reason=reason) from None
    if not recordings:
        raise RecordingRefused(path=str(path), reason="nothing is in it")
    return _unique(path, recordings)


def save(recordings: Iterable[Recording], path: Path) -> None:
    """Write the file anew, whole or not at all."""
    write_private(path, b"".join(_line(each) for each in recordings))


def _line(recording: Recording) -> bytes:
    """Without what nobody wrote down, but with the name of the form."""
    kept = recording.model_dump(mode="json", exclude_defaults=True)
    kept["schema_name"] = recording.schema_name
    return orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)


def _unique(path: Path, recordings: list[Recording]) -> list[Recording]:
    names: set[str] = set()
    for each in recordings:
        if each.name in names:
            raise RecordingRefused(path=str(path), reason=f"two are named {each.name!r}")
        names.add(each.name)
    return recordings


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(_bytes(path))
    except (ValueError, RecursionError) as error:
        raise RecordingRefused(path=str(path), reason=f"it is not JSON: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] == _GZIP:
                with gzip.open(file) as unpacked:
                    data = unpacked.read(LARGEST + 1)
            else:
                data = file.read(LARGEST + 1)
    except (OSError, EOFError) as error:  # a broken packing is an OSError too
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingRefused(path=str(path), reason=reason) from None
    if len(data) > LARGEST:
        raise RecordingRefused(path=str(path), reason=f"it is larger than {LARGEST >> 20} MiB")
    return data
