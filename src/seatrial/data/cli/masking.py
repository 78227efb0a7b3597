"""`seatrial data profile`, `key` and `mask`."""

from pathlib import Path
from typing import Final

import click

from seatrial.data.cli.output import Meter, show_manifest
from seatrial.data.masking.service.keys import MaskingKey, load_key, make_key
from seatrial.data.masking.service.snapshot import Order, mask, refuse_key_in
from seatrial.data.profiling.service import as_toml, drift, profile
from seatrial.data.rules.toml import read_rules
from seatrial.data.snapshots.domain import Mode
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command("key")
@click.argument("path", type=_FILE)
def key_command(path: Path) -> None:
    """Make a masking key in a new file at PATH; it belongs in production's vault."""
    click.echo(f"{make_key(path).id} in {path}")


@click.command("profile")
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


@click.command("mask")
@click.argument("source")
@click.argument("snapshot", type=click.Path(path_type=Path, file_okay=False))
@click.option("--rules", "rules", required=True, type=_FILE, help="The rules, in TOML.")
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
    with Meter() as meter:
        manifest = mask(order, meter)
    show_manifest(manifest, as_json=as_json)
    if not as_json:
        click.echo(f"\nnot verified yet: seatrial data verify {source} {snapshot} --rules {rules}")
