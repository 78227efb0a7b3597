"""What a process of Seatrial can be told: each field once, with its default and its meaning."""

import enum
import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr

from seatrial.contract.documents import SLUG
from seatrial.contract.environments.rules import Profile
from seatrial.kit.settings import ProcessSettings, Section

_CELL_TABLE: Final = re.compile(r"^\[cell\]", re.MULTILINE)
_CONTROL_TABLE: Final = re.compile(r"^\[control\]", re.MULTILINE)


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


class DebugSettings(Section):
    """For fault tests alone."""

    failpoints: str = Field(
        "", description="Points at which to die, such as `cell.flip.before=kill`; empty for none."
    )


class ControlSection(Section):
    """What control is and where it keeps its files."""

    directory: Path = Field(
        Path(".seatrial/control"), description="Its own folder: its key and the releases' files."
    )
    roots: tuple[str, ...] = Field(
        (), description="Root keys (`ed25519:…`) that may sign a keyring; pinned, never fetched."
    )
    profile: Profile = Field(
        Profile.SOLO, description="Whose rules environments start with, before any promotion."
    )
    prepare_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        120.0, description="How long cells may take to prepare before an order is abandoned."
    )
    embedded: bool = Field(
        default=False,
        description="All runs on this machine; `seatrial status` says what that proves.",
    )


class CellSection(Section):
    """Which cell this is. One process, one environment, one region."""

    name: str = Field("staging", pattern=SLUG, description="Unique among all cells.")
    environment: str = Field("staging", pattern=SLUG, description="The one that it runs.")
    region: str = Field("local", pattern=SLUG, description="Where it runs.")
    directory: Path = Field(
        Path(".seatrial/staging"), description="Its own folder: keys, releases, logs. No other's."
    )
    control: str = Field("http://127.0.0.1:8700", description="Where control answers.")
    url: str = Field("", description="Where callers find it; empty for the address it listens on.")
    roots: tuple[str, ...] = Field(
        (), description="Root keys (`ed25519:…`) whose keyrings it believes; pinned."
    )
    profile: Profile = Field(
        Profile.SOLO, description="Whose rules it starts with, before any promotion."
    )
    enrolment: Path = Field(
        Path("enrolment.token"),
        description="File in its folder with the one-use token for its first start.",
    )


class HostsSection(Section):
    """The agent processes of a cell."""

    inner_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="Port on 127.0.0.1 for the calls of agents; 0 takes a free one."
    )
    isolated: bool = Field(
        default=False,
        description="Refuse agents that cannot be isolated here, whatever the rules say.",
    )
    slots: Annotated[int, Field(ge=1, le=1_024)] = Field(
        16, description="Runs at once; each has a process of its own."
    )
    slots_per_release: Annotated[int, Field(ge=1, le=1_024)] = Field(
        8, description="Runs at once of one release."
    )
    memory_mb: Annotated[int, Field(ge=64)] = Field(
        2_048, description="Memory of one agent process, where its release sets no limit."
    )
    start_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        60.0, description="How long an agent may take to be imported."
    )


class RunsSection(Section):
    """How runs are accepted and tried."""

    queue: Annotated[int, Field(ge=1)] = Field(
        10_000, description="Runs that may wait; one more is refused with Retry-After."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        300.0, description="Of one attempt, where its release sets no limit."
    )
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        3, description="Tries of a run that fails for a passing reason, where no limit is set."
    )
    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, description="Model and tool calls of one run, where its release sets no limit."
    )
    session_turns: Annotated[int, Field(ge=1, le=1_000)] = Field(
        50, description="Earlier turns of its session that an agent is told of; 1 MiB in all."
    )
    lease_seconds: Annotated[float, Field(ge=1, le=3_600)] = Field(
        6.0, description="Another process takes a run over when its worker is silent so long."
    )
    input_limit: Annotated[int, Field(gt=0)] = Field(
        1_048_576, description="The largest input of a run, in bytes."
    )
    output_limit: Annotated[int, Field(gt=0)] = Field(
        4_194_304, description="The largest output of a run, in bytes."
    )


class JournalSection(Section):
    """How long the bodies of recorded calls are kept, and how many."""

    days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        30.0, description="How long the bodies of a run's calls stay after its end."
    )
    max_gb: Annotated[float, Field(gt=0)] = Field(
        10.0,
        description="Bodies of all runs together; beyond it the oldest of ended runs go, and where "
        "that is not enough, new runs are refused.",
    )


class ConnectorSection(Section):
    """What a connector's name in releases stands for in this environment."""

    kind: Literal["sql", "http"] = Field(description="A database, or an HTTP service.")
    url: SecretStr = Field(
        SecretStr(""),
        description="`sqlite:///…` (below the cell's folder where it is relative), "
        "`postgresql://role@host/database`, or `https://…`.",
    )
    secret: str = Field(
        "",
        description="Name of the secret in the vault: what is sent to an HTTP service, or a "
        "PostgreSQL role's password.",
    )
    header: str = Field(
        "authorization: Bearer", description="The header that carries it, and what stands before."
    )


class FixturesSection(Section):
    """By what a run of this environment is masked before it leaves the cell as a fixture."""

    rules: str = Field(
        "",
        description="A TOML file of masking rules, below the cell's folder where it is relative; "
        "empty: no run becomes a fixture.",
    )
    key: str = Field("masking", description="Name of the masking key in the vault.")
    source: SecretStr = Field(
        SecretStr(""),
        description="Where the tables of the rules are: a folder, `sqlite:///…` (both below the "
        "cell's folder where they are relative) or `postgresql://…`; empty: people are known from "
        "the run alone.",
    )
    seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        600.0, description="How long masking and verifying one run may take."
    )
    memory_mb: Annotated[int, Field(ge=256)] = Field(
        4_096, description="Memory of the process that masks, in MiB; Linux keeps the bound."
    )
    days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        30.0, description="How long a fixture that runs were given stays after the last was."
    )
    max_mb: Annotated[float, Field(gt=0)] = Field(
        1_024.0,
        description="All fixtures that runs were given, in MiB; beyond it those go that were given "
        "longest ago, and where runs need them all, another is refused.",
    )


class TelemetrySection(Section):
    """Where spans go."""

    otlp: str = Field("", description="OTLP/HTTP endpoint, `http://…:4318`; empty for none.")


class ModelsSection(Section):
    """Model providers beyond the known ones."""

    openai: str = Field("https://api.openai.com/v1", description="Base URL of provider `openai`.")
    anthropic: str = Field(
        "https://api.anthropic.com", description="Base URL of provider `anthropic`."
    )
    compatible: tuple[str, ...] = Field(
        (), description="Further OpenAI-compatible providers, each as `name=https://…/v1`."
    )


class Settings(ProcessSettings):
    """The settings that every process has."""

    log: LogSettings = LogSettings()
    database: DatabaseSettings = DatabaseSettings()
    http: HttpSettings = HttpSettings()
    debug: DebugSettings = DebugSettings()


class ControlSettings(Settings):
    """The settings of `seatrial control`."""

    control: ControlSection = ControlSection()


class CellSettings(Settings):
    """The settings of `seatrial cell`."""

    cell: CellSection = CellSection()
    hosts: HostsSection = HostsSection()
    runs: RunsSection = RunsSection()
    journal: JournalSection = JournalSection()
    models: ModelsSection = ModelsSection()
    telemetry: TelemetrySection = TelemetrySection()
    fixtures: FixturesSection = FixturesSection()
    connectors: dict[str, ConnectorSection] = Field(
        default_factory=dict, description="By the names that releases use."
    )


def kind_of(path: Path | None) -> type[Settings]:
    """Whose settings the file at `path` holds, by the table that names the process."""
    if path is None:
        return Settings
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Settings  # `load` says what is wrong
    if _CELL_TABLE.search(text):
        return CellSettings
    return ControlSettings if _CONTROL_TABLE.search(text) else Settings
