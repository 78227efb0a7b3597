"""`seatrial rollout`: rehearse a plan before it carries anybody."""

import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import orjson

from seatrial.contract.rollouts.plan import Plan, PlanInvalid, parse
from seatrial.control.rollouts.domain import Move, PlotUnavailable, RecordingRefused
from seatrial.control.rollouts.picture import CAN_DRAW, draw_png
from seatrial.control.rollouts.recorded import Replayed, replay
from seatrial.control.rollouts.rehearsal import (
    Promise,
    Result,
    costs,
    harm_done,
    promises,
    rehearse,
    scenarios,
)
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option, table

_LARGEST: Final = 1 << 20  # bytes of a plan
_BLOCKS: Final = "·▁▂▃▄▅▆▇█"
_WIDTH: Final = 16  # columns, so that a usual plan fits 100


@click.group()
def rollout() -> None:
    """Rehearse rollout plans."""


@rollout.command("rehearse")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--trials", default=200, show_default=True, type=click.IntRange(20, 20_000))
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same users.")
@click.option("--recorded", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Recorded users, one JSON object a line, instead of drawn ones.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw into a PNG.")
@json_option
def rehearse_command(
    file: Path, *, trials: int, seed: int, recorded: Path | None, plot: Path | None, as_json: bool
) -> int:
    """Play the plan in FILE in virtual time: what would it catch, when, at what cost?

    Ends with 6 when the plan promises to catch what its soak is too short for, and with recorded
    users when it would have aborted.

    \b
    Examples:
      seatrial rollout rehearse plan.toml
      seatrial rollout rehearse plan.toml --trials 1000 --plot plan.png
      seatrial rollout rehearse plan.toml --recorded users.jsonl
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    plan = _plan(file)
    if recorded is not None:
        return _replayed(replay(plan, _users(recorded)), as_json=as_json)
    if plot is not None and not CAN_DRAW:
        raise PlotUnavailable(path=str(plot))
    rng = np.random.default_rng(seed)
    quiet = not sys.stderr.isatty()
    tried = list(scenarios(plan))
    with click.progressbar(tried, label="rehearsing", file=sys.stderr, hidden=quiet) as each:
        results = [rehearse(plan, scenario, trials=trials, rng=rng) for scenario in each]
    kept = list(promises(plan, trials=trials, rng=rng))
    if plot is not None:
        draw_png(plan, results, plot)
    if as_json:
        answer_json(
            {
                "results": [_as_json(plan, result) for result in results],
                "promises": [_as_promised(promise) for promise in kept],
            }
        )
    else:
        click.echo(table(_HEAD, [_row(plan, result) for result in results]))
        click.echo()
        for promise in kept:
            click.echo(_sentence(plan, promise))
    return Exit.OK if all(_holds(plan, promise) for promise in kept) else Exit.GATE_FAILED


_HEAD: Final = ("candidate", "aborted", "in days", "users", "harm done", "finished", "in days",
                "undecided", "aborts over time")  # fmt: skip


def _plan(file: Path) -> Plan:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise PlanInvalid(findings=f"the file is larger than {_LARGEST} bytes")
    try:
        return parse(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlanInvalid(findings=f"it is not TOML: {error}") from None


def _users(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise RecordingRefused(line=number, reason=f"it is not JSON: {error.msg}") from None


def _replayed(replayed: Replayed, *, as_json: bool) -> int:
    decision = replayed.decision
    if as_json:
        answer_json(
            {
                "move": decision.move,
                "outcome": decision.outcome,
                "users": replayed.users,
                "reasons": list(decision.reasons),
            }
        )
    else:
        click.echo(f"{decision.outcome}: {decision.move} after {replayed.users} matched users")
        for reason in decision.reasons:
            click.echo(f"  {reason}")
    return Exit.GATE_FAILED if decision.move is Move.ABORT else Exit.OK


def _row(plan: Plan, result: Result) -> tuple[str, ...]:
    return (
        result.scenario.name,
        f"{result.share(Move.ABORT):.1%}",
        _days(result.days(Move.ABORT)),
        f"{result.users:,.0f}",
        _harm(plan, result),
        f"{result.share(Move.FINISH):.1%}",
        _days(result.days(Move.FINISH)),
        f"{result.share(Move.PAUSE):.1%}",
        _spark(result),
    )


def _harm(plan: Plan, result: Result) -> str:
    """What the candidate's users lost, at the median trial."""
    lost = harm_done(plan, result)
    if lost is None:
        return ""
    return f"{lost:,.2f} money" if costs(plan, result.scenario) else f"{lost:,.0f} bad runs"


def _spark(result: Result) -> str:
    """The share of trials aborted by each moment, as a row of blocks, up to the slowest trial."""
    end = max(trial.days for trial in result.trials)
    aborts = sorted(trial.days for trial in result.trials if trial.move is Move.ABORT)
    shares = [
        sum(day <= end * (column + 1) / _WIDTH for day in aborts) / len(result.trials)
        for column in range(_WIDTH)
    ]
    return "".join(_BLOCKS[round(share * (len(_BLOCKS) - 1))] for share in shares)


def _days(days: float | None) -> str:
    return "" if days is None else f"{days:.1f}"


def _holds(plan: Plan, promise: Promise) -> bool:
    return promise.caught >= plan.power


def _sentence(plan: Plan, promise: Promise) -> str:
    caught = f"{promise.metric}: the promised fall is caught in {promise.caught:.0%} of trials"
    caught += f" within its soak of {promise.soak / timedelta(days=1):g}d"
    if _holds(plan, promise):
        return f"✓ {caught}"
    if promise.needed is None:
        return f"✗ {caught}; {plan.power:.0%} would need more users than the stage can ever see"
    days = int(-(-promise.needed.total_seconds() // 86_400))
    return f"✗ {caught}; {plan.power:.0%} would need a soak of {days}d"


def _as_json(plan: Plan, result: Result) -> dict[str, Any]:
    return {
        "candidate": result.scenario.name,
        "trials": len(result.trials),
        "aborted": result.share(Move.ABORT),
        "abort_days_p50": result.days(Move.ABORT),
        "abort_days_p90": result.days(Move.ABORT, 0.9),
        "users_p50": result.users,
        "harm_done_p50": harm_done(plan, result),
        "finished": result.share(Move.FINISH),
        "finish_days_p50": result.days(Move.FINISH),
        "undecided": result.share(Move.PAUSE),
    }


def _as_promised(promise: Promise) -> dict[str, Any]:
    return {
        "metric": promise.metric,
        "caught": promise.caught,
        "soak_seconds": promise.soak.total_seconds(),
        "needed_seconds": promise.needed.total_seconds() if promise.needed else None,
    }
