"""`seatrial data`: profile, mask, verify, inspect and load; needs no server."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from seatrial.data.masking.service.keys import MaskingKey, load_key, make_key
from seatrial.data.masking.service.snapshot import Order, mask, refuse_key_in
from seatrial.data.profiling.service import as_toml, drift, profile
from seatrial.data.rules.toml import read_rules
from seatrial.data.snapshots.domain import Manifest, Mode
from seatrial.data.snapshots.loading import load
from seatrial.data.snapshots.service import read_manifest, read_report, read_verdict
from seatrial.data.ugly.domain import Defect
from seatrial.data.ugly.service import records_from, records_of, write_cases
from seatrial.data.verifying.service import verify
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option, table

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_rules = click.option("--rules", "rules", required=True, type=_FILE, help="The rules, in TOML.")
_trust = click.option("--trust", "trusted", multiple=True, metavar="ed25519:…",
                      help="A verifier whose verdict counts; may be given again.")  # fmt: skip


@click.group()
def data() -> None:
    """Mask data for staging, prove the masking, load it; make ugly data."""


@data.command("key")
@click.argument("path", type=_FILE)
def key_command(path: Path) -> None:
    """Make a masking key in a new file at PATH; it belongs in production's vault."""
    click.echo(f"{make_key(path).id} in {path}")


@data.command("profile")
@click.argument("source")
@click.option("--rules", "rules", type=_FILE, help="Tell how the data have drifted from these.")
@click.option("--name", default="snapshot", show_default=True, help="Of the proposed rules.")
@click.option("--records", default=20_000, show_default=True, type=click.IntRange(1),
              help="Looked at, of each table.")  # fmt: skip
@json_option
def profile_command(
    source: str, *, rules: Path | None, name: str, records: int, as_json: bool
) -> int:
    """Propose rules for the data in SOURCE, or tell where they have drifted from the rules.

    SOURCE is a folder of files, one file, or a database's URL. Ends with 6 on drift.

    \b
    Examples:
      seatrial data profile exports > rules.toml
      seatrial data profile exports --rules rules.toml
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if rules is not None:
        said = list(drift(source, read_rules(rules), records))
        answer_json({"drift": said}) if as_json else click.echo("\n".join(said) or "no drift")
        return Exit.GATE_FAILED if said else Exit.OK
    found = profile(source, records)
    if as_json:
        answer_json(
            {
                of.name: {
                    path: {
                        "class": g.kind,
                        "as": g.mask,
                        "why": g.why,
                        "values": of.seen[path].count,
                    }
                    for path, g in of.guesses.items()
                }
                for of in found
            }
        )
    else:
        click.echo(as_toml(name, found), nl=False)
    return Exit.OK


@data.command("mask")
@click.argument("source")
@click.argument("snapshot", type=_FOLDER)
@_rules
@click.option("--key", "key", type=_FILE, help="The masking key; pseudonyms stay linkable by it.")
@click.option("--sealed", is_flag=True, help="Under a key that nobody keeps.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--resume", is_flag=True, help="Go on with what an earlier run left.")
@json_option
def mask_command(  # noqa: PLR0913 - Click passes each option as a parameter
    source: str, snapshot: Path, *, rules: Path, key: Path | None, sealed: bool, processes: int,
    resume: bool, as_json: bool,
) -> None:  # fmt: skip
    """Mask the data in SOURCE into a new folder SNAPSHOT.

    What no rule covers is dropped, and listed. The snapshot appears when all of it is there.

    \b
    Examples:
      seatrial data mask exports snapshot --rules rules.toml --key masking.pem
      seatrial data mask postgresql://reader@db/app snapshot --rules rules.toml --sealed
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if (key is None) != sealed or (sealed and resume):
        raise click.UsageError("give either --key or --sealed; a sealed run cannot be resumed")
    if key is not None:
        refuse_key_in(snapshot, key)
    order = Order(
        source=source,
        rules=read_rules(rules),
        path=snapshot,
        key=load_key(key) if key is not None else MaskingKey.generate(),
        mode=Mode.SEALED if sealed else Mode.LINKABLE,
        processes=processes,
        resume=resume,
    )
    with _Meter() as meter:
        manifest = mask(order, meter)
    _show_manifest(manifest, as_json=as_json)
    if not as_json:
        click.echo(f"\nnot verified yet: seatrial data verify {source} {snapshot} --rules {rules}")


@data.command("verify")
@click.argument("source")
@click.argument("snapshot", type=_FOLDER)
@_rules
@click.option("--signing-key", "signing", required=True, type=_FILE,
              help="Signs the verdict; made if it is missing.")  # fmt: skip
@json_option
def verify_command(
    source: str, snapshot: Path, *, rules: Path, signing: Path, as_json: bool
) -> int:
    """Compare SNAPSHOT with SOURCE and sign the verdict; ends with 6 if anything is readable.

    \b
    Example:
      seatrial data verify exports snapshot --rules rules.toml --signing-key verifier.pem
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    key = keyfiles.load_or_create(SigningKey, signing)
    with _Meter() as meter:
        report = verify(
            source, read_rules(rules), snapshot, key=key, clock=SystemClock(), told=meter
        )
    _show_report(report.as_json(), as_json=as_json)
    if not as_json:
        click.echo(f"signed by {key.id}")
    return Exit.OK if report.passed else Exit.GATE_FAILED


@data.command("inspect")
@click.argument("snapshot", type=_FOLDER)
@_trust
@json_option
def inspect_command(snapshot: Path, *, trusted: tuple[str, ...], as_json: bool) -> int:
    """Show what SNAPSHOT holds and what its verifier said.

    Ends with 6 unless it was passed, and, with --trust, by somebody trusted.
    """
    manifest, _ = read_manifest(snapshot)
    if trusted:
        report = read_verdict(snapshot, [VerifyKey.parse(name) for name in trusted]).report
    else:
        report = read_report(snapshot)
    if as_json:
        answer_json({"manifest": manifest.model_dump(mode="json"), "report": report})
    else:
        _show_manifest(manifest, as_json=False)
        click.echo()
        _show_report(report, as_json=False)
        if not trusted:
            click.echo("the signature was not checked: name its signer with --trust")
    return Exit.OK if report.get("passed") is True else Exit.GATE_FAILED


@data.command("load")
@click.argument("snapshot", type=_FOLDER)
@click.argument("target")
@_trust
@json_option
def load_command(snapshot: Path, target: str, *, trusted: tuple[str, ...], as_json: bool) -> None:
    """Load SNAPSHOT into TARGET, a new folder or a database's URL, if a trusted verifier passed it.

    \b
    Example:
      seatrial data load snapshot postgresql://staging@db/app --trust ed25519:…
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if not trusted:
        raise click.UsageError("name the verifier whose verdict counts with --trust")
    loaded = load(snapshot, target, [VerifyKey.parse(name) for name in trusted])
    if as_json:
        answer_json(loaded)
    else:
        click.echo(table(("table", "records"), [(n, f"{c:,}") for n, c in loaded.items()]))


@data.command("ugly")
@click.argument("out", type=_FILE)
@click.option(
    "--records",
    "source",
    type=click.Path(path_type=Path, exists=True),
    help="Damage records of this file or folder.",
)
@click.option(
    "--schema",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Damage records made from this JSON Schema.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed, the same cases.")
@click.option(
    "--each",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Cases of each class, and of each pair.",
)
@click.option(
    "--pairs/--no-pairs",
    default=True,
    show_default=True,
    help="Let two defects meet in one record.",
)
@click.option("--only", multiple=True, type=click.Choice([str(d) for d in Defect]),
              help="These classes alone; may be given again.")  # fmt: skip
def ugly_command(  # noqa: PLR0913 - Click passes each option as a parameter
    out: Path, *, source: Path | None, schema: Path | None, seed: int, each: int, pairs: bool,
    only: tuple[str, ...],
) -> None:  # fmt: skip
    """Write a dataset OUT of records with labelled defects, each with the handling expected.

    \b
    Examples:
      seatrial data ugly cases.jsonl --records snapshot/tables/orders.jsonl
      seatrial data ugly cases.jsonl --schema order.schema.json --only blob --only wrong_type
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if source is not None and schema is None:
        records = records_of(source)
    elif schema is not None and source is None:
        records = records_from(schema, seed=seed)
    else:
        raise click.UsageError("give either --records or --schema")
    defects = tuple(Defect(name) for name in only) or tuple(Defect)
    count = write_cases(records, out, seed=seed, each=each, pairs=pairs, defects=defects)
    click.echo(f"{count:,} cases of {len(defects)} classes in {out}")


def _show_manifest(manifest: Manifest, *, as_json: bool) -> None:
    if as_json:
        answer_json(manifest.model_dump(mode="json"))
        return
    rows = [
        (name, f"{of.records:,}", f"{of.size:,}", ", ".join(of.dropped) or "-")
        for name, of in manifest.tables.items()
    ]
    click.echo(f"snapshot {manifest.name!r}, {manifest.mode}, key {manifest.key or 'destroyed'}")
    click.echo(table(("table", "records", "bytes", "dropped: no rule covers it"), rows))


def _show_report(report: dict[str, Any], *, as_json: bool) -> None:
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


class _Meter:
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
