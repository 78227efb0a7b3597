"""Measures contenders against each other in one run, and says the result as ratios.

Absolute times on a shared machine mean little; the ratio between two pieces of work done in turn,
many times, means something. Each contender runs in a process of its own (a peer under an
interpreter with its own packages), in rounds A B C A B C …, so that a slow minute hits all alike.
A round's ratio is taken within the round; what is quoted is the median over rounds.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results"
_PEERS: Final = ROOT / ".cache" / "bench"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way of doing the work.

    Attributes:
        name: as the table shows it.
        target: `module:function`, a generator that sets up, yields the work, and tears down.
        peer: name of a lock file `bench/peers/<peer>.txt` whose packages it runs with; None: ours.
    """

    name: str
    target: str
    peer: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Contenders for the same work; the first is the floor that the others are divided by.

    Attributes:
        name: short, for the command line and the result's file.
        question: what the table answers, in one sentence.
        operation: what is counted, in the singular.
        contenders: the floor first.
    """

    name: str
    question: str
    operation: str
    contenders: tuple[Contender, ...]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one process measured of one contender. Times in microseconds for each operation."""

    operations: int
    cpu_us: float
    wall_us: float
    p50_us: float | None = None
    p99_us: float | None = None
    peak_mib: float = 0.0
    kept_bytes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A contender's medians over all rounds, and its ratios to the floor (1.0 is the floor)."""

    name: str
    per_second: float
    cpu_us: float
    p50_us: float | None
    p99_us: float | None
    peak_mib: float
    cpu_ratio: float
    wall_ratio: float
    kept_bytes: float | None
    rounds: list[Round] = field(repr=False)


def measure(comparison: Comparison, rounds: int) -> list[Row]:
    """Run every contender `rounds` times, in turn, and sum up."""
    taken: dict[str, list[Round]] = {c.name: [] for c in comparison.contenders}
    for _ in range(rounds):
        for contender in comparison.contenders:
            taken[contender.name].append(_one_round(contender))
    return summed_up(taken)


def summed_up(taken: dict[str, list[Round]]) -> list[Row]:
    """Medians, and the medians of each round's ratio to the first contender's same round."""
    floor = next(iter(taken.values()))
    return [
        Row(
            name=name,
            per_second=1e6 / statistics.median(r.wall_us for r in rounds),
            cpu_us=statistics.median(r.cpu_us for r in rounds),
            p50_us=_median([r.p50_us for r in rounds]),
            p99_us=_median([r.p99_us for r in rounds]),
            peak_mib=statistics.median(r.peak_mib for r in rounds),
            cpu_ratio=_ratio([r.cpu_us for r in rounds], [f.cpu_us for f in floor]),
            wall_ratio=_ratio([r.wall_us for r in rounds], [f.wall_us for f in floor]),
            kept_bytes=_median([r.kept_bytes for r in rounds]),
            rounds=rounds,
        )
        for name, rounds in taken.items()
    ]


def table(comparison: Comparison, rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = ["contender", f"{comparison.operation}s/s", "CPU µs", "p50 µs", "p99 µs", "peak MiB",
            "CPU ratio", "time ratio"]  # fmt: skip
    keeps = any(row.kept_bytes is not None for row in rows)
    if keeps:
        head.append("kept bytes")
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * (len(head) - 1)])]
    lines += [
        " | ".join(
            (
                row.name,
                f"{row.per_second:,.0f}",
                f"{row.cpu_us:,.1f}",
                _number(row.p50_us),
                _number(row.p99_us),
                f"{row.peak_mib:,.0f}",
                f"{row.cpu_ratio:.2f}",
                f"{row.wall_ratio:.2f}",
                *((_number(row.kept_bytes),) if keeps else ()),
            )
        )
        for row in rows
    ]
    body = "\n".join(f"| {line} |" for line in lines)
    return f"### {comparison.name}\n\n{comparison.question}\n\n{body}\n"


def save(comparison: Comparison, rows: Sequence[Row]) -> None:
    """Keep the run as `bench/results/<name>.json` and its table beside it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {
        "comparison": comparison.name,
        "question": comparison.question,
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }
    path = RESULTS / f"{comparison.name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    path.with_suffix(".md").write_text(f"{table(comparison, rows)}\n{machine()}\n")


def machine() -> str:
    """What the figures were taken on, without naming the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {cores} shared cores"
    )


def _one_round(contender: Contender) -> Round:
    done = subprocess.run(
        [_interpreter(contender.peer), "-m", "bench.child", contender.target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: {contender.name} failed\n{done.stderr}")
    return Round(**json.loads(done.stdout.splitlines()[-1]))


def _interpreter(peer: str | None) -> str:
    """Our own Python, or one with a peer's packages, made once from its lock file."""
    if peer is None:
        return sys.executable
    home = _PEERS / peer
    python = home / "bin" / "python"
    lock = ROOT / "bench" / "peers" / f"{peer}.txt"
    made = home / ".made"
    if not made.exists() or made.stat().st_mtime < lock.stat().st_mtime:
        uv = str(ROOT / ".tools" / "bin" / "uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, home], check=True)
        subprocess.run(
            [uv, "pip", "sync", "-q", "--python", python, "--require-hashes", lock], check=True
        )
        made.touch()
    return str(python)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, floor, strict=True))


def _number(value: Any) -> str:  # noqa: ANN401 - a float or nothing
    return "" if value is None else f"{value:,.1f}"
