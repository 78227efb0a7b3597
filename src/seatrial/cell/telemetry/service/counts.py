"""What became of the runs of this process, for its metrics."""

from collections import Counter
from typing import Final

from seatrial.cell.runs.domain.values import Run
from seatrial.kit.metrics import Family, Histogram, MetricKind, counter

_WAITS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_LENGTHS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class RunFigures:
    """Counts runs as they end. Belongs to one event loop."""

    def __init__(self) -> None:
        self._ended: Counter[tuple[str, ...]] = Counter()
        self._failed: Counter[tuple[str, ...]] = Counter()
        self._waits = Histogram(_WAITS)
        self._lengths = Histogram(_LENGTHS)

    def ended(self, run: Run) -> None:
        """A run has come to its end here. Returns at once."""
        self._ended[(run.agent, str(run.state))] += 1
        if run.failure is not None:
            self._failed[(run.agent, run.failure.code)] += 1
        if run.started is not None:
            self._waits.observe((run.started - run.created).total_seconds())
            if run.ended is not None:
                self._lengths.observe((run.ended - run.started).total_seconds())

    def families(self) -> list[Family]:
        """All families, as they stand."""
        return [
            counter(
                "seatrial_runs_ended_total", "Runs by their end.", self._ended, "agent", "state"
            ),
            counter(
                "seatrial_runs_failed_total",
                "Runs that failed, by the reason.",
                self._failed,
                "agent",
                "code",
            ),
            Family(
                name="seatrial_run_wait_seconds",
                kind=MetricKind.HISTOGRAM,
                about="From a run's acceptance until its first attempt begins.",
                samples=self._waits.samples(),
            ),
            Family(
                name="seatrial_run_seconds",
                kind=MetricKind.HISTOGRAM,
                about="From the first attempt's beginning to the run's end.",
                samples=self._lengths.samples(),
            ),
        ]
