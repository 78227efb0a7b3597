"""Check the import contracts on a copy of the package, once for each planted fault.

Runs as a process of its own, because the graph is built of the `seatrial` that stands first on
the path: `python contract_check.py ROOT SRC < faults.json > outcomes.json`. ROOT holds the
contracts, SRC the copy. A fault maps paths below SRC/seatrial to the text to be appended there;
an outcome lists the contracts that are broken then.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from grimp import build_graph
from importlinter import configuration
from importlinter.application import use_cases
from importlinter.application.user_options import UserOptions


def main(root: Path, src: Path) -> None:
    sys.path.insert(0, str(src))
    configuration.configure()
    options = use_cases.read_user_options(str(root / "pyproject.toml"))
    use_cases._register_contract_types(options)  # no public way checks a graph of one's own
    outcomes = {}
    for name, files in json.load(sys.stdin).items():
        with planted(src / "seatrial", files):
            outcomes[name] = broken(options)
    json.dump(outcomes, sys.stdout)


@contextlib.contextmanager
def planted(package: Path, files: Mapping[str, str]) -> Iterator[None]:
    before = {}
    for name, text in files.items():
        path = package / name
        before[path] = path.read_text(encoding="utf-8") if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{before[path] or ''}\n{text}\n", encoding="utf-8")
    yield
    for path, old in before.items():
        if old is None:
            path.unlink()
        else:
            path.write_text(old, encoding="utf-8")


def broken(options: UserOptions) -> list[str]:
    report = use_cases._build_report(
        graph=build_graph("seatrial", include_external_packages=True, cache_dir=None),
        graph_building_duration=0,
        user_options=options,
        limit_to_contracts=(),
        show_timings=False,
        verbose=False,
    )
    if report.could_not_run:
        raise ValueError(f"the contracts do not parse: {report.invalid_contract_options}")
    return sorted(
        contract.contract_options["id"]
        for contract, check in report.get_contracts_and_checks()
        if not check.kept
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
