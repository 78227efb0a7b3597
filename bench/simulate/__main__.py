"""`make bench-stats`, or `python -m bench.simulate [--streams N] [--seed N] [--out FILE]`.

Prove the statistics by simulation and write what was found. Ends with 1 if a promise is broken.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.harness import ROOT, machine
from bench.simulate.clusters import clusters
from bench.simulate.findings import Check, Setting, Table
from bench.simulate.intervals import intervals
from bench.simulate.late import late
from bench.simulate.money import money
from bench.simulate.rollouts import harm, promise
from bench.simulate.several import arms, cells, conjunction
from bench.simulate.strategies import opposite, strategies
from bench.simulate.watches import watches

_PAGE = ROOT / "docs" / "reference" / "simulations.md"

SIMULATIONS: tuple[Callable[[Setting], Table], ...] = (
    partial(harm, controls=1),
    partial(harm, controls=9),
    promise,
    money,
    clusters,
    late,
    watches,
    cells,
    conjunction,
    arms,
    intervals,
    opposite,
    partial(strategies, controls=1),
    partial(strategies, controls=9),
)


def page(tables: Sequence[Table], setting: Setting) -> str:
    """All findings as Markdown: promises first."""
    checks = [check for table in tables for check in table.checks]
    error = 100 * (0.05 * 0.95 / setting.streams) ** 0.5
    return "\n".join(
        (
            "# Simulations",
            "",
            "Written by `make bench-stats`; do not edit. What the figures mean is told in",
            "[Statistics](../explanation/statistics.md).",
            "",
            f"Every table has {setting.streams:,} streams unless its counts say otherwise, and",
            f"begins from seed {setting.seed}: the same command writes the same page. A rate of",
            f"5 % found in {setting.streams:,} streams has a standard error of {error:.2f} points.",
            "",
            "A delay `beyond` is one that more than that part of the streams did not end in time.",
            "",
            "## Promises",
            "",
            *_markdown(
                ("promise", "at most", "aim", "found", "counted", "kept"),
                [_told(check) for check in checks],
            ),
            *(line for table in tables for line in _section(table)),
        )
    )


def _section(table: Table) -> list[str]:
    return ["", f"## {table.title}", "", table.text, "", *_markdown(table.head, table.rows)]


def _told(check: Check) -> tuple[str, ...]:
    aim = "" if check.aim is None else _figure(check.aim, check)
    most, found = _figure(check.most, check), _figure(check.found, check)
    return check.promise, most, aim, found, check.counted, "yes" if check.kept else "NO"


def _figure(value: float, check: Check) -> str:
    return f"{100 * value:.2f} %" if check.most < 1 else f"{value:,.4g}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-stats", description=__doc__)
    parser.add_argument("--streams", type=int, default=2000, help="repetitions of each table")
    parser.add_argument("--seed", type=int, default=1, help="of the random generator")
    parser.add_argument("--out", type=Path, default=_PAGE, help="the page to write")
    options = parser.parse_args()
    setting = Setting(streams=options.streams, seed=options.seed)
    tables = []
    for simulation in SIMULATIONS:
        begun = time.process_time()
        table = simulation(setting)
        tables.append(table)
        print(f"{time.process_time() - begun:6.1f} s  {table.title}", flush=True)
        for check in table.checks:
            print(f"          {' | '.join(_told(check))}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page(tables, setting) + "\n")
    print(machine())
    return 0 if all(check.kept for table in tables for check in table.checks) else 1


if __name__ == "__main__":
    raise SystemExit(main())
