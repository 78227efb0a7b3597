"""A rehearsal as a picture: how soon each fall is caught. Needs the extra `plot`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from seatrial.contract.rollouts.plan import Plan
from seatrial.control.rollouts.domain import Move
from seatrial.control.rollouts.rehearsal import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

try:
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    CAN_DRAW: Final = True
except ImportError:
    CAN_DRAW = False  # type: ignore[misc] # one of the two


def draw_png(plan: Plan, results: Sequence[Result], path: Path) -> None:
    """Write the picture: for each scenario the share of trials aborted, over days."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    end = max(trial.days for result in results for trial in result.trials)
    colours = colormaps["tab20"]
    for number, result in enumerate(results):
        aborts = np.sort([t.days for t in result.trials if t.move is Move.ABORT])
        shares = np.arange(1, len(aborts) + 1) / len(result.trials)
        level = result.share(Move.ABORT)
        axes.step(
            np.concatenate([[0.0], aborts, [end]]),
            np.concatenate([[0.0], shares, [level]]),
            where="post",
            color=colours(number % colours.N),
            label=f"{result.scenario.name} ({level:.0%})",
        )
    _mark_stages(plan, axes, end)
    axes.set_xlabel("days since the rollout began")
    axes.set_ylabel("share of trials aborted")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(0, end)
    axes.set_title(f"Rehearsal of {plan.name}")
    figure.legend(fontsize="small", loc="outside right upper")
    figure.savefig(path, dpi=120, format="png")


def _mark_stages(plan: Plan, axes: "Axes", end: float) -> None:
    """A line where each stage would end if nothing held it up."""
    day = 0.0
    for stage in plan.stages[:-1]:
        day += stage.soak.total_seconds() / 86_400
        if day < end:
            axes.axvline(day, color="0.8", linewidth=1, zorder=0)
