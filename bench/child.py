"""One contender, one process, one measurement: `python -m bench.child module:function`.

Standard library only: it also runs under a peer's interpreter.

The function is a generator that sets up, yields its `Work`, and tears down when it is resumed.
"""

import gc
import importlib
import json
import re
import resource
import sys
import time
from pathlib import Path

from bench.work import Batch, Work


def main(target: str) -> None:
    """Warm up with one batch, measure the next, print the figures as one line of JSON."""
    module, _, name = target.partition(":")
    contender = getattr(importlib.import_module(module), name)()
    work: Work = next(contender)
    work()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    done = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    next(contender, None)
    batch = done if isinstance(done, Batch) else Batch(done)
    figures: dict[str, float | int | None] = {
        "operations": batch.operations,
        "cpu_us": (cpu + batch.other_cpu_s) / batch.operations * 1e6,
        "wall_us": wall / batch.operations * 1e6,
        "peak_mib": peak_mib() if batch.other_peak_mib is None else batch.other_peak_mib,
    }
    if batch.kept_bytes is not None:
        figures["kept_bytes"] = batch.kept_bytes / batch.operations
    if batch.latencies_us:
        ordered = sorted(batch.latencies_us)
        figures["p50_us"] = ordered[len(ordered) // 2]
        figures["p99_us"] = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(json.dumps(figures))


def peak_mib(process: int | str = "self") -> float:
    """The most memory that a process ever had, in MiB."""
    # Not ru_maxrss: on Linux a child begins with its parent's, and exec does not reset it.
    status = Path(f"/proc/{process}/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1])
