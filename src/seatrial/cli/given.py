"""An input as it is given on the command line: JSON, text, a file, or standard input."""

import json
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

from seatrial.cli.project.domain import SampleInvalid

LARGEST: Final = 16 << 20  # bytes of one input


def given(argument: str | None, file: Path | None) -> Any:  # noqa: ANN401 - any JSON value
    """The input of a run.

    Args:
        argument: JSON, or else text as it stands; `-` reads standard input; None for none.
        file: read in the argument's place.

    Raises:
        SampleInvalid: both were given, or it is too large or not UTF-8.
    """
    if file is not None and argument is not None:
        raise SampleInvalid(reason="it was given twice, as an argument and as a file")
    if file is not None:
        with file.open("rb") as opened:
            return value(_read(opened))
    if argument == "-":
        return value(_read(sys.stdin.buffer))
    return None if argument is None else value(argument)


def value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """What `text` means: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return text.rstrip("\n")


def cases(file: Path) -> list[dict[str, Any]]:
    """The cases of a file, one JSON object a line, each with `input`.

    Raises:
        SampleInvalid: names the line.
    """
    found = []
    with file.open("rb") as opened:
        lines = _read(opened).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SampleInvalid(reason=f"line {number} is not JSON: {error}") from None
        if not isinstance(case, dict) or "input" not in case:
            raise SampleInvalid(reason=f"line {number} is no object with `input`")
        found.append(case)
    return found


def _read(opened: BinaryIO) -> str:
    content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise SampleInvalid(reason=f"it is larger than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SampleInvalid(reason="it is not UTF-8") from None


def _refused(name: str) -> None:
    raise ValueError(name)  # NaN and the infinities are no JSON: the word is text
