"""Values of the vault, and what it refuses."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.kit.errors import Failed, Invalid, NotFound

SHORTEST: Final = 8  # characters: a shorter value cannot be kept out of logs without blanking words
LONGEST: Final = 65_536  # characters
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,119}\Z")


class SecretNameMalformed(Invalid):
    """{name!r} is no name of a secret."""

    code = "secret_name_malformed"
    cause = "A name begins with a letter and holds letters, digits, dots, hyphens and underscores."
    remedy = "Choose a name such as `openai` or `OPENAI_API_KEY`."


class SecretUnfit(Invalid):
    """The value of the secret {name!r} is refused: {reason}."""

    code = "secret_unfit"
    cause = "A value that is short cannot be kept out of logs, and a huge one is no secret."
    remedy = "Set the whole key as its provider shows it."


class SecretUnknown(NotFound):
    """The environment {environment!r} has no secret {name!r}."""

    code = "secret_unknown"
    cause = "It was never set here; each environment has secrets of its own."
    remedy = "Set it with `PUT /v1/secrets/NAME` on this environment's cell."


class SecretMissing(Failed):
    """A model call needs the secret {name!r}, and the environment {environment!r} has none."""

    code = "secret_missing"
    cause = "The provider's key was never set here; each environment has secrets of its own."
    remedy = "Set it with `PUT /v1/secrets/NAME` on this environment's cell."


@dataclass(frozen=True, kw_only=True)
class SecretVersion:
    """One version of a secret, without its value.

    Attributes:
        name: its name.
        version: counts from 1.
        author: the id of the token that set it.
        set: when.
    """

    name: str
    version: int
    author: str
    set: datetime


def refuse_name(name: str) -> None:
    """Raise `SecretNameMalformed` for what is no name."""
    if not _NAME.match(name):
        raise SecretNameMalformed(name=name)


def refuse_value(name: str, value: str) -> None:
    """Raise `SecretUnfit` for a value that cannot be kept safely; it is not quoted."""
    if len(value) < SHORTEST:
        raise SecretUnfit(name=name, reason=f"it is shorter than {SHORTEST} characters")
    if len(value) > LONGEST:
        raise SecretUnfit(name=name, reason=f"it is longer than {LONGEST} characters")
    if value != value.strip():
        raise SecretUnfit(name=name, reason="it begins or ends with blank space")
