"""What can become of a run."""

import enum
from typing import Final


class RunState(enum.StrEnum):
    """Where a run stands. Each accepted one ends in one of `ENDED`, or waits for a person."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


class Outcome(enum.StrEnum):
    """What became of a run for the business; often said late."""

    RESOLVED = "resolved"
    ESCALATED = "escalated"
    ABANDONED = "abandoned"
    FAILED = "failed"


class Mode(enum.StrEnum):
    """How the caller wants the answer."""

    WAIT = "wait"
    ASYNC = "async"
    STREAM = "stream"


class Lane(enum.StrEnum):
    """Which queue: people who wait go before work that nobody watches."""

    INTERACTIVE = "interactive"
    BATCH = "batch"
