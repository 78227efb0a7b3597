"""What a contender hands over to be measured. Standard library only, as `bench.child`."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Batch:
    """A batch that knows more than its count.

    Attributes:
        operations: how many were done.
        latencies_us: each operation's own time, in microseconds.
        other_cpu_s: CPU seconds that a process beside this one spent on the batch.
        other_peak_mib: peak memory of that process, where it is what is measured.
        kept_bytes: by which what was kept on disk has grown, where that is what is measured.
    """

    operations: int
    latencies_us: list[float] = field(default_factory=list)
    other_cpu_s: float = 0.0
    other_peak_mib: float | None = None
    kept_bytes: int | None = None


Work = Callable[[], int | Batch]
"""One batch of the work; it returns how many operations that was, or a `Batch`."""
