"""The options of whatever changes an environment, the same on each such command."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from seatrial.cli.reaching import Reached
from seatrial.cli.switching import everywhere, ordered, started
from seatrial.cli.talk import confirm, say
from seatrial.contract.switch.api import GenerationRow, Plan

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How an order is given.

    Attributes:
        wait: until it is active in every required cell.
        timeout: seconds to wait.
        reason: for the log.
        exclude: required cells to go without.
        yes: do not ask.
        confirmed: the environment's name, typed beforehand.
    """

    wait: bool
    timeout: float
    reason: str
    exclude: tuple[str, ...]
    yes: bool
    confirmed: str | None


_OPTIONS: Final = (
    click.option("--reason", default="", help="For the log."),
    click.option(
        "--timeout",
        default=300.0,
        show_default=True,
        type=click.FloatRange(1, 86_400),
        help="Seconds to wait.",
    ),
    click.option("--wait/--no-wait", default=True, help="Until it is active everywhere."),
    click.option("--exclude", multiple=True, metavar="CELL", help="Go without this cell."),
    click.option(
        "--confirm", "confirmed", metavar="ENVIRONMENT", help="Its name, typed beforehand."
    ),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


def order_options(function: _F) -> _F:
    """`--yes`, `--confirm`, `--exclude`, `--wait`, `--timeout`, `--reason` as one `Manner`."""

    @functools.wraps(function)
    def gathered(
        *arguments: Any,
        wait: bool,
        timeout: float,
        reason: str,
        exclude: tuple[str, ...],
        yes: bool,
        confirmed: str | None,
        **others: Any,
    ) -> Any:  # noqa: ANN401 - what the command returns
        manner = Manner(
            wait=wait,
            timeout=timeout,
            reason=reason,
            exclude=exclude,
            yes=yes,
            confirmed=confirmed,
        )
        return function(*arguments, manner=manner, **others)

    for option in _OPTIONS:
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # the same function, with options


async def carried_out(servers: Reached, plan: Plan, manner: Manner, what: str) -> GenerationRow:
    """Have a person confirm, sign the plan, and follow it as far as `manner` says.

    Args:
        servers: to order from.
        plan: checked.
        manner: how.
        what: will happen, for the question; empty to ask nothing.

    Raises:
        ConfirmationMissing: nobody said yes.
        GatesUnmet: control keeps the order.
        GenerationAbandoned, SwitchSlow: it did not come to its end.
    """
    if what:
        confirm(plan.environment, what, yes=manner.yes, confirmed=manner.confirmed)
    answer = await ordered(servers, plan, reason=manner.reason, exclude=manner.exclude)
    return await followed(servers, started(plan.environment, answer), manner)


async def followed(servers: Reached, row: GenerationRow, manner: Manner) -> GenerationRow:
    """The generation at its end, or as it began where `manner` does not wait."""
    if not manner.wait:
        return row
    return await everywhere(servers, row, seconds=manner.timeout, tell=say)
