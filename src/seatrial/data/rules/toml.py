"""Rules from a TOML file, with every finding by its place."""

import tomllib
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from seatrial.data.domain import RulesInvalid
from seatrial.data.rules.domain import Rules
from seatrial.kit.documents import findings

_LARGEST: Final = 4 << 20  # bytes


def read_rules(path: Path) -> Rules:
    """The rules in the file at `path`.

    Raises:
        RulesInvalid: it is missing, no TOML, or the rules contradict themselves.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise RulesInvalid(path=str(path), findings=str(error.strerror).lower()) from None
    if len(content) > _LARGEST:
        raise RulesInvalid(path=str(path), findings=f"the file is larger than {_LARGEST} bytes")
    return parse_rules(content.decode(errors="replace"), shown=str(path))


def parse_rules(text: str, *, shown: str) -> Rules:
    """The rules in `text`; `shown` names it in errors. Raises `RulesInvalid`."""
    try:
        return Rules.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesInvalid(path=shown, findings=f"it is not TOML: {error}") from None
    except ValidationError as error:
        raise RulesInvalid(path=shown, findings=findings(Rules, error)) from None
