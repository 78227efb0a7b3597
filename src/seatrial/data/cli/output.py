"""What the commands show: a snapshot, a verdict, and how far the work is."""

import sys
from collections.abc import Callable
from typing import Any

import click

from seatrial.data.snapshots.domain import Manifest
from seatrial.kit.terminal.output import answer_json, table


def show_manifest(manifest: Manifest, *, as_json: bool) -> None:
    """As a table, or as JSON."""
    if as_json:
        answer_json(manifest.model_dump(mode="json"))
        return
    rows = [
        (name, f"{of.records:,}", f"{of.size:,}", ", ".join(of.dropped) or "-")
        for name, of in manifest.tables.items()
    ]
    click.echo(f"snapshot {manifest.name!r}, {manifest.mode}, key {manifest.key or 'destroyed'}")
    click.echo(table(("table", "records", "bytes", "dropped: no rule covers it"), rows))


def show_report(report: dict[str, Any], *, as_json: bool) -> None:
    """What was looked for and found, or the whole as JSON."""
    if as_json:
        answer_json(report)
        return
    leaks, (tried, hit) = report["leaks"], report["attack"]
    direct = sum(leaks["direct"].values())
    planted = report["canaries"].values()
    click.echo("passed" if report["passed"] else "FAILED")
    for finding in report["findings"]:
        click.echo(f"  {finding}")
    rows = [
        ("readable values of a record's own person", f"{direct:,} of {leaks['pairs']:,}"),
        ("references kept", f"{sum(t['references'] for t in report['tables'].values()):,}"),
        ("guesses of a dictionary attack that hit", f"{hit:,} of {tried:,}"),
        ("planted values masked",
         f"{sum(c['masked'] for c in planted):,} of {sum(c['planted'] for c in planted):,}"),
        *((f"k of {name}", str(of["k"])) for name, of in report["tables"].items()
          if of["k"] is not None),
    ]  # fmt: skip
    click.echo(table(("looked for", "found"), rows))
    click.echo("not covered:")
    for gap in report["not_covered"]:
        click.echo(f"  {gap}")
    click.echo(report["law"])


class Meter:
    """Tells on a terminal how far the work is; on a pipe it is silent."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()

    def __enter__(self) -> Callable[[str, str, int], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._shows:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _tell(self, what: str, name: str, records: int) -> None:
        if self._shows:
            click.echo(f"\r\x1b[K{what} {name}: {records:,} records", nl=False, err=True)
