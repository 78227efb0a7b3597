"""Runs the long loops in full: `make soak`, or `python -m dev.soak [NAME …] [--loops N]`.

A soak is a function that tries to break a promise many times. It stands beside the tests of its
room, in a module `tests/**/soak_*.py` that lists `SOAKS`; a test there runs each of them `short`.
Rooms add theirs by adding such a module. The figures go to `docs/reference/soak.md`, one row for a
soak; rows of soaks that were not run stay as they are.
"""

import argparse
import importlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "reference" / "soak.md"

_HEAD: Final = """\
# Soak figures

What long loops found when they tried to break a promise. `make soak` runs them and writes this
page; `make test` runs a short cut of each.

| soak | it tries to break | loops | what happened | minutes | machine |
| --- | --- | ---: | --- | ---: | --- |
"""


@dataclass(frozen=True, kw_only=True)
class Soak:
    """A promise, and what tries to break it.

    Attributes:
        name: for the command line and the page.
        promise: what must hold, in one sentence.
        run: goes round so many times; returns figures by name, raises if the promise breaks.
        full: loops that `make soak` runs.
        short: loops that `make test` runs.
        needs: a program without which it cannot run; empty for none.
    """

    name: str
    promise: str
    run: Callable[[int], Mapping[str, object]]
    full: int
    short: int
    needs: str = ""

    @property
    def missing(self) -> bool:
        """Whether the program that it needs is not here."""
        return bool(self.needs) and shutil.which(self.needs) is None


def found() -> dict[str, Soak]:
    """Every soak of every room, by name."""
    soaks: dict[str, Soak] = {}
    for path in sorted((ROOT / "tests").rglob("soak_*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for soak in importlib.import_module(module).SOAKS:
            if soak.name in soaks:
                raise ValueError(f"two soaks are named {soak.name!r}")
            soaks[soak.name] = soak
    return soaks


def row(soak: Soak, loops: int, figures: Mapping[str, object], seconds: float) -> str:
    """The soak's line of the page."""
    told = ", ".join(f"{name} {_spoken(value)}" for name, value in figures.items())
    cells = (soak.name, soak.promise, f"{loops:,}", told, f"{seconds / 60:.1f}", machine())
    return f"| {' | '.join(cells)} |"


def page(old: str, rows: Mapping[str, str]) -> str:
    """The page with `rows` in place of those of the same names; the others stay."""
    kept = {
        line.split(" | ")[0].removeprefix("| "): line
        for line in old.removeprefix(_HEAD).splitlines()
        if line.startswith("| ")
    }
    lines = kept | dict(rows)
    return _HEAD + "".join(f"{lines[name]}\n" for name in sorted(lines))


def machine() -> str:
    """What the figures were taken on, without naming the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.machine()}, {cores} shared cores"


def main() -> None:
    """Run what was named, or everything."""
    sys.path.insert(0, str(ROOT))  # for `python dev/soak.py`
    known = found()
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--loops", type=int, help="instead of the full number; writes no page")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"no soak {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in options.names or known:
        soak, started = known[name], time.perf_counter()
        if soak.missing:
            print(f"{name}: left out, for {soak.needs} is not here", file=sys.stderr)
            continue
        loops = options.loops or soak.full
        line = row(soak, loops, soak.run(loops), time.perf_counter() - started)
        print(line, flush=True)
        if options.loops is None:
            PAGE.write_text(page(PAGE.read_text() if PAGE.exists() else "", {name: line}))


def _spoken(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
