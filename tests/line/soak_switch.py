"""The switch under load: promote and rollback beside 50 callers, on both databases."""

import asyncio
from collections.abc import Mapping
from typing import Final

from dev.soak import Soak
from tests.line.load import Load, percentile
from tests.line.system import Shape, system

_AGENT: Final = """
    import time

    def run(input, context):
        time.sleep(input["seconds"])
        return {"release": context.release, "version": "{version}"}
    """
_SECONDS: Final = 0.5  # of a run, spent waiting as for a model
_BETWEEN: Final = 25  # calls answered between two switches


def switched(loops: int, shape: Shape) -> Mapping[str, object]:
    """Promote a release that is new, or go back, `loops` times in turn, beside 50 callers."""
    return asyncio.run(_switched(loops, shape))


async def _switched(loops: int, shape: Shape) -> Mapping[str, object]:
    delays: dict[str, list[float]] = {"promote": [], "rollback": []}
    async with system(shape) as line:
        cells = [name for name, where in shape.cells.items() if where == "production"]
        await line.deploy(_AGENT)
        await line.soaked(data={"seconds": 0})
        await line.promote()
        load = Load(system=line, cells=cells, data={"seconds": _SECONDS})
        async with load.going():
            ordered = []
            for loop in range(loops):
                await load.calls(_BETWEEN)
                if loop % 2:
                    row = await line.rollback()
                else:
                    await line.deploy(_AGENT)
                    await line.soaked(data={"seconds": 0})
                    row = await line.promote()
                ordered.append(row)
                if load.refused:
                    break
            await load.calls(_BETWEEN)
        load.check()
        for row in ordered:
            delays[row.verb.value].append(load.delay(row.generation, row.ordered))
        if shape.processes > 1:
            leaders = [
                (await line.cell(name, number).status())["switch"]["leads"]
                for name in cells
                for number in range(shape.processes)
            ]
            assert sum(leaders) == len(cells), leaders
    figures: dict[str, object] = {
        "cells": len(cells),
        "processes": len(cells) * shape.processes,
        "runs": len(load.seen),
        "refused": len(load.refused),
    }
    for verb, found in delays.items():
        if found:
            figures[f"{verb} p50 ms"] = percentile(found, 0.5) * 1_000
            figures[f"{verb} p99 ms"] = percentile(found, 0.99) * 1_000
    return figures


def _soak(database: str, cells: int) -> Soak:
    many = database == "postgresql"
    shape = Shape(
        production=cells,
        database=database,
        processes=2 if many else 1,
        controls=2 if many else 1,
    )
    return Soak(
        name=f"switch-{database}-{cells}",
        promise=(
            f"Promote and rollback beside 50 callers of {cells} cells on {database}: each run ends "
            "on the release on which it began, nobody is refused, nobody meets an older "
            "generation again. From control's receipt to the last run admitted on the old closure."
        ),
        run=lambda loops: switched(loops, shape),
        full=200,
        short=2,
    )


SOAKS: Final = tuple(
    _soak(database, cells) for database in ("sqlite", "postgresql") for cells in (2, 4)
)
