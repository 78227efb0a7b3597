"""Writes a dataset of ugly records: over real ones, or from a schema alone."""

import itertools
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from seatrial.data.domain import SchemaUnfit, SourceBroken
from seatrial.data.sources.opening import opened
from seatrial.data.ugly.cases import cases
from seatrial.data.ugly.domain import Defect
from seatrial.data.ugly.schema import RecordMaker
from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.errors import Invalid

_MOST: Final = 1_000  # records that are taken in turn


def records_of(source: Path) -> list[dict[str, Any]]:
    """The first records of a file or folder; raises as `opened`, and `SourceBroken` if empty."""
    table = opened(source)
    rows = (row for batch in table.batches() for row in batch.rows(table.names))
    found = list(itertools.islice(rows, _MOST))
    if not found:
        raise SourceBroken(source=str(source), place="its beginning", reason="it holds no record")
    return found


def records_from(schema: Path, *, seed: int, count: int = 64) -> list[dict[str, Any]]:
    """`count` records that the JSON Schema in a file allows; raises `SchemaUnfit`."""
    try:
        document = strict_json(schema.read_bytes())
    except Invalid as error:
        raise SchemaUnfit(path=str(schema), reason=error.message.rstrip(".")) from None
    if not isinstance(document, dict):
        raise SchemaUnfit(path=str(schema), reason="it is no object")
    maker = RecordMaker(dict(document), shown=str(schema))
    draw = random.Random(f"schema:{seed}")  # noqa: S311 - repeatable, no secret
    return [maker.record(draw) for _ in range(count)]


def write_cases(
    records: Sequence[dict[str, Any]],
    path: Path,
    *,
    seed: int,
    each: int,
    pairs: bool,
    defects: Sequence[Defect],
) -> int:
    """Write the dataset, one item a line, whole or not at all; how many items it has."""
    draft = path.with_name(f".{path.name}.partial")
    count = 0
    with draft.open("wb") as file:
        for case in cases(records, seed=seed, each=each, pairs=pairs, defects=defects):
            item = case.as_json(seed)
            file.write(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE, default=str))
            count += 1
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return count
