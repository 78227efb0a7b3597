"""Settings of one process: one TOML file, checked whole before anything starts.

A process names its settings as a `ProcessSettings` class with one `Section` for each table of the
file. Values come from the environment (`SEATRIAL_<SECTION>__<FIELD>`), else the file, else the
default. They are read once, in `main`, and handed on as plain values.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from seatrial.kit.documents import findings
from seatrial.kit.errors import Invalid, NotFound, TooLarge
from seatrial.kit.text import nearest

ENVIRONMENT_PREFIX: Final = "SEATRIAL_"
ENVIRONMENT_DELIMITER: Final = "__"
_LARGEST_FILE: Final = 1 << 20  # bytes; a settings file beyond this is some other file


class SettingsMissing(NotFound):
    """There is no settings file at {path!r}."""

    code = "settings_missing"
    cause = "The path is wrong, or the file was never made."
    remedy = "Check the path; `docs/reference/settings.md` shows every field to write."


class SettingsUnreadable(Invalid):
    """The settings file {path!r} cannot be read: {reason}."""

    code = "settings_unreadable"
    cause = "The file is not UTF-8 text in TOML, is a directory, or may not be read by this user."
    remedy = "Mend the named line or the file's permissions, then run `seatrial settings check`."


class SettingsTooLarge(TooLarge):
    """The settings file {path!r} is larger than {limit} bytes."""

    code = "settings_too_large"
    cause = "A settings file holds a page of text; this is some other file."
    remedy = "Check the path."


class SettingsInvalid(Invalid):
    """The settings in {path!r} are wrong: {findings}."""

    code = "settings_invalid"
    cause = "A field is unknown, missing, of the wrong type, or outside its range."
    remedy = "Mend the named fields; `docs/reference/settings.md` lists them all with defaults."


class Section(BaseModel):
    """One table of a settings file. Frozen; an unknown field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProcessSettings(BaseSettings):
    """All settings of one process. Each field is a `Section` with a default."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=ENVIRONMENT_DELIMITER,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file; no other source."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


_S = TypeVar("_S", bound=ProcessSettings)


def load(kind: type[_S], path: Path | None) -> _S:
    """The settings of one process from the environment, the file at `path`, and the defaults.

    Args:
        kind: the process's settings class.
        path: its TOML file; None where it runs on the environment and defaults alone.

    Raises:
        SettingsMissing: no such file.
        SettingsUnreadable: not text, not TOML, not readable.
        SettingsTooLarge: larger than 1 MiB.
        SettingsInvalid: a field is unknown or wrong; every finding is named, no value is shown.
    """
    document = {} if path is None else _document(path)
    source = "the environment" if path is None else str(path)
    _refuse_unknown_variables(kind)
    try:
        return kind(**document)
    except ValidationError as error:
        raise SettingsInvalid(path=source, findings=findings(kind, error)) from None
    except SettingsError as error:
        raise SettingsInvalid(path="the environment", findings=str(error)) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise SettingsMissing(path=str(path)) from None
    except OSError as error:
        raise SettingsUnreadable(path=str(path), reason=error.strerror or str(error)) from None
    if len(content) > _LARGEST_FILE:
        raise SettingsTooLarge(path=str(path), limit=_LARGEST_FILE)
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsUnreadable(path=str(path), reason=str(error)) from None


def _refuse_unknown_variables(kind: type[ProcessSettings]) -> None:
    """A mistyped variable would else be ignored in silence, and its default taken."""
    known = {
        f"{ENVIRONMENT_PREFIX}{section}{ENVIRONMENT_DELIMITER}{name}".upper()
        for section, field in kind.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for name in field.annotation.model_fields
    }
    for variable in sorted(os.environ):
        name = variable.upper()
        ours = name.startswith(ENVIRONMENT_PREFIX) and ENVIRONMENT_DELIMITER in name
        if ours and name not in known:
            near = nearest(name, known)
            hint = f", did you mean {near}?" if near else ""
            raise SettingsInvalid(
                path="the environment", findings=f"{variable}: there is no such field{hint}"
            )
