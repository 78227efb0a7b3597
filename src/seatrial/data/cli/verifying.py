"""`seatrial data verify`, `inspect` and `load`."""

from pathlib import Path
from typing import Final

import click

from seatrial.data.cli.output import Meter, show_manifest, show_report
from seatrial.data.rules.toml import read_rules
from seatrial.data.snapshots.loading import load
from seatrial.data.snapshots.service import read_manifest, read_report, read_verdict
from seatrial.data.verifying.service import verify
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option, table

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_trust = click.option("--trust", "trusted", multiple=True, metavar="ed25519:…",
                      help="A verifier whose verdict counts; may be given again.")  # fmt: skip


@click.command("verify")
@click.argument("source")
@click.argument("snapshot", type=_FOLDER)
@click.option("--rules", "rules", required=True, type=_FILE, help="The rules, in TOML.")
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
    with Meter() as meter:
        report = verify(
            source, read_rules(rules), snapshot, key=key, clock=SystemClock(), told=meter
        )
    show_report(report.as_json(), as_json=as_json)
    if not as_json:
        click.echo(f"signed by {key.id}")
    return Exit.OK if report.passed else Exit.GATE_FAILED


@click.command("inspect")
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
        show_manifest(manifest, as_json=False)
        click.echo()
        show_report(report, as_json=False)
        if not trusted:
            click.echo("the signature was not checked: name its signer with --trust")
    return Exit.OK if report.get("passed") is True else Exit.GATE_FAILED


@click.command("load")
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
