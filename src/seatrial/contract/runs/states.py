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


class WaitReason(enum.StrEnum):
    """What a waiting run waits for."""

    REVIEW = "review"
    """A person is asked whether an action may be performed."""
    TIMER = "timer"
    EVENT = "event"
    UNKNOWN = "unknown"
    """A person must say whether a write has happened."""
    DIVERGED = "diverged"
    """The agent strayed from what it did before; a person chooses resume, abandon or restart."""


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
