"""Named places in a protocol at which a test can make the process die, wait or fail.

`reach("cell.flip.before")` does nothing in a process that was not told otherwise: one dictionary
look-up, about 40 ns. A process is told by its settings, once, at start.
"""

import os
import signal
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from seatrial.kit.errors import Failed, Invalid


class FailpointUnknown(Invalid):
    """The failpoint order {text!r} is not understood."""

    code = "failpoint_unknown"
    cause = "An order is `name=kill`, `name=stop` or `name=fail`; several are joined by commas."
    remedy = "Mend `debug.failpoints`, or leave it empty: it is for fault tests alone."


class FailpointHit(Failed):
    """The process was told to fail at {name!r}."""

    code = "failpoint_hit"
    cause = "The setting `debug.failpoints` asks for it: a fault test is running."
    remedy = "Empty `debug.failpoints` and start the process again."


def _kill(name: str) -> None:
    del name
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(name: str) -> None:
    del name
    os.kill(os.getpid(), signal.SIGSTOP)


def _fail(name: str) -> None:
    raise FailpointHit(name=name)


_ACTIONS: Final[Mapping[str, Callable[[str], None]]] = MappingProxyType(
    {"kill": _kill, "stop": _stop, "fail": _fail}
)
_armed: dict[str, Callable[[str], None]] = {}


def arm(orders: str) -> None:
    """Take orders such as `cell.flip.before=kill,control.commit.after=stop`; empty disarms all.

    Raises:
        FailpointUnknown: an order is not of that form.
    """
    _armed.clear()
    for order in filter(None, (part.strip() for part in orders.split(","))):
        name, _, action = order.partition("=")
        if action not in _ACTIONS or not name:
            _armed.clear()
            raise FailpointUnknown(text=order)
        _armed[name] = _ACTIONS[action]


def reach(name: str) -> None:
    """Do what was ordered for the point `name`; as a rule, nothing."""
    action = _armed.get(name)
    if action is not None:
        action(name)
