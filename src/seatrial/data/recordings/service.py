"""Recordings in files: one JSON object a line."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from pydantic import ValidationError

from seatrial.data.recordings.domain import Recording, RecordingRefused
from seatrial.data.recordings.figures import SCHEMA, Figures
from seatrial.data.recordings.readers import Form, Unfit, found
from seatrial.kit.documents import findings
from seatrial.kit.files import Unreadable, read_bounded, write_private

LARGEST: Final = 256 << 20
"""Bytes of a file, unpacked."""
_FIGURES: Final = SCHEMA.encode()
_F = TypeVar("_F", Recording, Figures)


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
    return _unique(path, [_read(Recording, *each) for each in _lines(path)])


def figures(path: Path) -> list[Figures]:
    """The figures of a file that `save` wrote, of recordings or of conversations as played.

    Raises:
        RecordingRefused: it holds neither.
    """
    found = [
        _read(Figures, *each) if _FIGURES in each[2][:64] else Figures.of(_read(Recording, *each))
        for each in _lines(path)
    ]
    return _unique(path, found)


def save(kept: Iterable[Recording] | Iterable[Figures], path: Path) -> None:
    """Write the file anew, whole or not at all."""
    write_private(path, b"".join(_line(each) for each in kept))


def _line(kept: Recording | Figures) -> bytes:
    """Without what nobody wrote down, but with the name of the form, which comes first."""
    document = {"schema_name": kept.schema_name}
    document |= kept.model_dump(mode="json", exclude_defaults=True)
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _lines(path: Path) -> Iterator[tuple[Path, int, bytes]]:
    """The lines that are not empty, each with its place; raises `RecordingRefused` if none is."""
    number = 0
    for number, line in enumerate(io.BytesIO(_bytes(path)), 1):
        if line.strip():
            yield path, number, line
    if not number:
        raise RecordingRefused(path=str(path), reason="nothing is in it")


def _read(form: type[_F], path: Path, number: int, line: bytes) -> _F:
    try:
        return form.model_validate_json(line)
    except ValidationError as error:
        reason = f"line {number}: {findings(form, error)}"
        raise RecordingRefused(path=str(path), reason=reason) from None


def _unique(path: Path, found: list[_F]) -> list[_F]:
    names: set[str] = set()
    for each in found:
        if each.name in names:
            raise RecordingRefused(path=str(path), reason=f"two are named {each.name!r}")
        names.add(each.name)
    return found


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(_bytes(path))
    except (ValueError, RecursionError) as error:
        raise RecordingRefused(path=str(path), reason=f"it is not JSON: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        return read_bounded(path, LARGEST, unpack=True)
    except Unreadable as error:
        raise RecordingRefused(path=str(path), reason=str(error)) from None
