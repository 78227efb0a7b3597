"""`seatrial recordings compare`: two releases on the same conversations."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from seatrial.data.recordings.comparison import Compared, Side, compare
from seatrial.data.recordings.service import figures
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable
from seatrial.stats.proportions import Tried

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_MARK: Final = {True: "●", False: "○", None: "·"}
_BAR: Final = 32  # cells of the longest bar


@click.command("compare")
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@json_option
def compare_command(first: Path, second: Path, *, as_json: bool) -> None:
    """Show what two releases made of the same conversations: FIRST is, SECOND may follow it.

    Both are files of `recordings import`, or of `recordings run --out`. Success is told by the
    verdicts in them; tokens, cost and time are those that were recorded or measured there.

    \b
    Examples:
      seatrial recordings compare base.jsonl tuned.jsonl
      seatrial recordings compare v1.jsonl v2.jsonl --json | jq .lost
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = compare(figures(first), figures(second), (str(first), str(second)))
    if as_json:
        answer_json(_document(found))
        return
    click.echo(_table(found))
    click.echo()
    click.echo(_verdicts(found))
    for title, values, shown in _plotted(found):
        click.echo()
        click.echo(_bars(title, (found.first.release, found.second.release), values, shown))


def _document(found: Compared) -> dict[str, Any]:
    return {
        "conversations": len(found.pairs),
        "first": asdict(found.first),
        "second": asdict(found.second),
        "gained": found.gained,
        "lost": found.lost,
        "difference": found.difference and found.difference._asdict(),
        "p_value": found.chance,
        "same_path": found.same_path,
        "left_out": list(found.left_out),
    }


def _table(found: Compared) -> str:
    first, second = found.first, found.second
    rows = [
        ("solved", _solved(first.solved), _solved(second.solved), _apart(found)),
        _row("calls a conversation", first.calls, second.calls, "{:.1f}"),
        _row("tokens a conversation", first.tokens, second.tokens, "{:,.0f}"),
        _row("cost a conversation", first.cost_usd, second.cost_usd, "${:.4f}"),
        _row("cost a success", first.cost_a_success, second.cost_a_success, "${:.4f}"),
        _row("time to an answer, median", first.median_seconds, second.median_seconds, "{:.2f} s"),
        _row("time to an answer, 9 of 10", first.slow_seconds, second.slow_seconds, "{:.2f} s"),
        ("same tools in the same order", "", "", f"{found.same_path} of {len(found.pairs)}"),
    ]
    head = ("", printable(first.release), printable(second.release), "difference")
    return table(head, rows)


def _row(name: str, first: float | None, second: float | None, form: str) -> tuple[str, ...]:
    shown = tuple("-" if value is None else form.format(value) for value in (first, second))
    change = f"{second / first - 1:+.0%}" if first and second is not None else "-"
    return name, *shown, change


def _solved(solved: Tried | None) -> str:
    return "-" if solved is None else f"{solved.successes} of {solved.trials}"


def _apart(found: Compared) -> str:
    if found.difference is None:
        return "-"
    low, estimate, high = (round(each * 100) for each in found.difference)
    return f"{estimate:+d} points ({low:+d} to {high:+d}; p = {found.chance:.2f})"


def _verdicts(found: Compared) -> str:
    """A mark for each conversation, in two rows that stand under each other."""
    rows = [
        (printable(side.release), "".join(_MARK[pair[place].succeeded] for pair in found.pairs))
        for place, side in enumerate((found.first, found.second))
    ]
    width = max(len(name) for name, _ in rows)
    lines = ["● solved  ○ not"] + [f"  {name.ljust(width)}  {marks}" for name, marks in rows]
    for names, what in ((found.lost, "no longer"), (found.gained, "now")):
        if names:
            lines.append(f"  solved {what}: {', '.join(printable(name) for name in names)}")
    if found.left_out:
        lines.append(f"  in one file only: {len(found.left_out)}")
    return "\n".join(lines)


def _plotted(found: Compared) -> list[tuple[str, tuple[float, float], str]]:
    """What is drawn as bars, where both sides are known."""
    wanted = (("tokens a conversation", "tokens", "{:,.0f}"),
              ("cost a success", "cost_a_success", "${:.4f}"),
              ("median time to an answer", "median_seconds", "{:.2f} s"))  # fmt: skip
    known = []
    for title, name, form in wanted:
        first, second = (_number(side, name) for side in (found.first, found.second))
        if first is not None and second is not None:
            known.append((title, (first, second), form))
    return known


def _number(side: Side, name: str) -> float | None:
    value: float | None = getattr(side, name)
    return value


def _bars(title: str, names: Sequence[str], values: Sequence[float], form: str) -> str:
    width = max(len(name) for name in names)
    top = max(values) or 1.0
    lines = [title]
    for name, value in zip(names, values, strict=True):
        bar = "█" * max(1, round(_BAR * value / top))
        lines.append(f"  {printable(name).ljust(width)}  {bar} {form.format(value)}")
    return "\n".join(lines)
