"""What commands answer with, as people read it: plans, gates, environments, releases, runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from seatrial.cli.switching import SIGNATURE
from seatrial.contract.releases.difference import ComponentChange
from seatrial.contract.switch.api import ChangeRow, EnvironmentRow, GateRow, Plan, ReleaseRow
from seatrial.kit.terminal.output import table
from seatrial.kit.text import printable

_SHORT: Final = 60  # characters of one value of a difference
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
_COLOURS: Final = {"met": "green", "unmet": "red", "inconclusive": "yellow", "unknown": "red"}


def gates(rows: Iterable[GateRow]) -> str:
    """Each gate with where it stands, and what would meet it.

    In a plan the signature is still to come; it is no fault that it is missing.
    """
    shown = [
        (
            click.style(f"{each.standing:<12}", fg=_COLOURS.get(each.standing)),
            printable(f"{each.gate} {each.agent}".strip()),
            printable(" ".join(part for part in (f"{each.reason}.", each.remedy) if part)),
        )
        for each in map(_to_sign, rows)
    ]
    width = max((len(name) for _, name, _ in shown), default=0)
    return "\n".join(f"  {mark}  {name:<{width}}  {said}" for mark, name, said in shown)


def _to_sign(row: GateRow) -> GateRow:
    if row.gate != SIGNATURE or row.standing == "met":
        return row
    barred = "other than" in row.reason
    said = "The author's own does not count." if barred else "Yours comes with the order."
    return row.model_copy(update={"standing": "to sign", "remedy": said})


def changes(plan: Plan) -> str:
    """What a plan does to each agent, a line each."""
    if not plan.changes:
        return "  no release changes"
    return "\n".join(f"  {change_line(each)}" for each in plan.changes)


def change_line(change: ChangeRow) -> str:
    """`support  support@3 -> support@4`."""
    return f"{change.agent}  {change.before or 'nothing'} -> {change.after or 'nothing'}"


def difference(found: Sequence[ComponentChange], indent: str = "") -> str:
    """Every field that differs, by component."""
    lines = []
    for component in found:
        lines.append(f"{indent}{component.change:<8} {printable(component.address)}")
        lines.extend(
            f"{indent}           {printable(field.path)}: "
            f"{short(field.before)} -> {short(field.after)}"
            for field in component.fields
            if field.path
        )
    return "\n".join(lines)


def short(value: object) -> str:
    """A value in a few characters."""
    if value is None:
        return "nothing"
    text = printable(value if isinstance(value, str) else repr(value))
    if not text:
        return "''"
    if _DIGEST.match(text):
        return text[:19]
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}… ({len(text)} characters)"


def releases(rows: Iterable[ReleaseRow]) -> str:
    """A list of releases."""
    return table(
        ("release", "deployed", "commit", "author", "active in"),
        [
            (
                each.name,
                moment(each.at),
                f"{each.commit[:9] or '-'}{'+' if each.dirty else ''}",
                printable(each.author) or "-",
                ", ".join(each.active) or "-",
            )
            for each in rows
        ],
    )


def environment(row: EnvironmentRow, isolation: Mapping[str, str]) -> list[tuple[str, ...]]:
    """An environment as rows of a table, one for each cell."""
    current = row.current
    generation = "0" if current is None else str(current.generation)
    if row.proposed is not None:
        generation += f" (next {row.proposed.generation})"
    agents = ", ".join(current.agents.values()) if current is not None else ""
    rows = []
    for cell in row.cells:
        if cell.seen_seconds is None:
            state = "never seen"
        elif cell.behind:
            state = f"behind {cell.lag_seconds:.0f} s ({cell.behind} generations)"
        elif cell.connected:
            state = "level"
        else:
            state = f"silent for {cell.seen_seconds:.0f} s"
        if cell.refused is not None:
            state += f"; refused {cell.refused}: {printable(cell.reason)}"
        rows.append((cell.cell, str(cell.current), isolation.get(row.environment, "?"), state))
    if not rows:
        rows = [("no cell", "-", "-", "-")]
    lead = (row.environment, str(row.profile), generation, agents or "nothing")
    return [(*(lead if number == 0 else ("",) * 4), *each) for number, each in enumerate(rows)]


def run_rows(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Runs as rows of a table."""
    return [
        (
            text(each, "id"),
            text(each, "release_name") or text(each, "agent"),
            text(each, "state"),
            text(each, "created")[:19].replace("T", " "),
            cost(each),
            _why(each),
        )
        for each in rows
    ]


def _why(row: Mapping[str, Any]) -> str:
    """What a run failed of, or what it waits for."""
    error, waits = row.get("error"), row.get("waits")
    if isinstance(waits, dict):
        return short(waits.get("detail") or waits.get("reason"))
    return short(error.get("code")) if isinstance(error, dict) else ""


def text(row: Mapping[str, Any], name: str) -> str:
    """A field as text; empty where it is missing or null."""
    value = row.get(name)
    return "" if value is None else printable(str(value))


def cost(row: Mapping[str, Any]) -> str:
    """Money of a run."""
    usage = row.get("usage")
    money = usage.get("cost_usd") if isinstance(usage, dict) else None
    return f"${money:.4f}" if isinstance(money, int | float) and money else "-"


def moment(at: datetime) -> str:
    """An instant to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}Z"
