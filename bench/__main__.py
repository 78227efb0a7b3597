"""`make bench`, or `python -m bench [NAME …] [--rounds N]`: measure, print and keep the tables."""

import argparse
import importlib
import pkgutil

import bench
from bench.harness import Comparison, machine, measure, save, table


def comparisons() -> dict[str, Comparison]:
    """Every `COMPARISONS` of the modules in this folder, by name."""
    found: dict[str, Comparison] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(bench.__path__)):
        if module != "__main__":
            for comparison in getattr(
                importlib.import_module(f"bench.{module}"), "COMPARISONS", ()
            ):
                found[comparison.name] = comparison
    return found


def main() -> None:
    """Measure what was named, or everything."""
    known = comparisons()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=5, help="times each contender runs")
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no comparison {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in options.names or known:
        rows = measure(known[name], options.rounds)
        print(table(known[name], rows))
        save(known[name], rows)
    print(machine())


if __name__ == "__main__":
    main()
