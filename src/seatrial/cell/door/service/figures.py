"""What this process tells a collector of metrics."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from seatrial.cell.hosts.domain import ReleaseFigures
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.switch.domain import NothingActive
from seatrial.cell.switch.service.admission import current
from seatrial.cell.telemetry.service.traces import Traces
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.telling import families as database_families
from seatrial.kit.metrics import Family, counter, gauge

More = Callable[[], Iterable[Family]]


@dataclass(frozen=True, kw_only=True)
class CellFigures:
    """Everything that has figures.

    Attributes:
        environment: the cell's.
        database: the cell's.
        models: see there.
        runs: see there.
        hosts: the processes of each release; `Hosts.status`.
        traces: None where there is no collector.
        more: further families, asked for each time.
    """

    environment: str
    database: Database
    models: ModelFigures
    runs: Runs
    hosts: Callable[[], Iterable[ReleaseFigures]]
    traces: Traces | None = None
    more: tuple[More, ...] = field(default=())

    async def families(self) -> list[Family]:
        """All families, as they stand."""
        generation = await self.database.read(_generation)
        return [
            gauge(
                "seatrial_generation",
                "The generation in force in this cell.",
                {(self.environment,): generation},
                "environment",
            ),
            *self._of_runs(),
            *self._of_hosts(),
            *_of_models(self.models),
            *database_families(self.database),
            *(_of_traces(self.traces) if self.traces is not None else ()),
            *(family for source in self.more for family in source()),
        ]

    def _of_runs(self) -> list[Family]:
        return [
            gauge("seatrial_runs_active", "Runs in hand here.", {(): self.runs.active}),
            gauge(
                "seatrial_runs_waiting",
                "Runs in the cell's queue when this process last looked.",
                {(): self.runs.waiting},
            ),
        ]

    def _of_hosts(self) -> list[Family]:
        slots: dict[tuple[str, ...], float] = {}
        waiting: dict[tuple[str, ...], float] = {}
        memory: dict[tuple[str, ...], float] = {}
        for each in self.hosts():
            key = (each.agent, str(each.release)[:19])
            slots[(*key, "busy")] = each.busy
            slots[(*key, "idle")] = each.slots - each.busy
            slots[(*key, "starting")] = each.starting
            waiting[key] = each.waiting
            memory[key] = each.resident_bytes
        return [
            gauge("seatrial_hosts", "Agent processes.", slots, "agent", "release", "state"),
            gauge("seatrial_hosts_waiting", "Runs that wait for one.", waiting, "agent", "release"),
            gauge("seatrial_hosts_bytes", "Their memory.", memory, "agent", "release"),
        ]


def _of_models(models: ModelFigures) -> list[Family]:
    both = ("provider", "model")
    return [
        counter("seatrial_model_calls_total", "Calls that ended.", models.calls, *both, "state"),
        counter("seatrial_model_call_seconds_total", "Time in calls.", models.seconds, *both),
        counter("seatrial_model_tokens_total", "Tokens.", models.tokens, *both, "kind"),
        counter("seatrial_model_cost_usd_total", "Cost.", models.cost_usd, *both),
        counter(
            "seatrial_model_mismatch_total",
            "Answers by another model than the one asked for.",
            models.mismatches,
            *both,
        ),
        counter(
            "seatrial_model_refused_total",
            "Calls that a pin or a limit refused.",
            {(code,): count for code, count in models.refused.items()},
            "code",
        ),
    ]


def _of_traces(traces: Traces) -> list[Family]:
    return [
        counter("seatrial_spans_sent_total", "Spans that the collector took.", {(): traces.sent}),
        counter(
            "seatrial_traces_dropped_total",
            "Runs whose spans the collector never got.",
            {(): traces.dropped},
        ),
    ]


def _generation(connection: Connection) -> int:
    try:
        return current(connection).generation
    except NothingActive:
        return 0
