"""`seatrial data ugly`."""

from pathlib import Path

import click

from seatrial.data.ugly.domain import Defect
from seatrial.data.ugly.service import records_from, records_of, write_cases


@click.command("ugly")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
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
