"""What a process of Seatrial can be told: each field once, with its default and its meaning."""

import enum
from typing import Annotated

from pydantic import Field, SecretStr

from seatrial.kit.settings import ProcessSettings, Section


class LogFormat(enum.StrEnum):
    """How a log line looks."""

    JSON = "json"
    TEXT = "text"


class LogLevel(enum.StrEnum):
    """The least important line that is still written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Section):
    """What is logged, and how. Lines go to standard error."""

    level: LogLevel = Field(LogLevel.INFO, description="The least important line still written.")
    format: LogFormat = Field(
        LogFormat.JSON, description="`json` for machines, `text` for a terminal."
    )


class DatabaseSettings(Section):
    """Where this process keeps its state. One process, one database."""

    url: SecretStr = Field(
        SecretStr("sqlite:///.seatrial/seatrial.db"),
        description=(
            "`sqlite:///FILE` (a relative path counts from the working directory) or "
            "`postgresql://USER:PASSWORD@HOST/NAME`. Never shown in a log or an error."
        ),
    )


class HttpSettings(Section):
    """Where and how this process answers HTTP."""

    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8700, description="The port to listen on; 0 takes a free one."
    )
    body_limit: Annotated[int, Field(gt=0)] = Field(
        52_428_800, description="The largest request body accepted, in bytes."
    )
    shutdown_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        20.0, description="How long requests in flight may take to finish at shutdown."
    )


class Settings(ProcessSettings):
    """The settings that every process has."""

    log: LogSettings = LogSettings()
    database: DatabaseSettings = DatabaseSettings()
    http: HttpSettings = HttpSettings()
