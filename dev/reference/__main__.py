"""`python -m dev.reference [--check]`: write the generated pages, or see that they are fresh."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from dev.reference.house import ROOT
from dev.reference.page import Page, stale, write
from dev.reference.registry import PAGES


def main(arguments: Sequence[str], *, root: Path = ROOT, pages: Iterable[Page] = PAGES) -> int:
    """Write the stale pages; with `--check` only name them, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m dev.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    if not parser.parse_args(arguments).check:
        for path in write(root, pages):
            print(f"wrote {path}")
        return 0
    old = stale(root, pages)
    for path in old:
        print(f"{path}: stale, its source has changed since", file=sys.stderr)
    if old:
        print("remedy: make reference", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
