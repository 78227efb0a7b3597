"""Use cases that several tests of this room run."""

import threading
from collections.abc import Callable

from seatrial.kit.database.connection import Connection
from tests.kit.database import tables


class Wrong(Exception):
    """What a use case of these tests raises."""


class Blocker:
    """A use case that waits in the middle, and can be waited for."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _: Connection) -> None:
        self.began.set()
        assert self.go_on.wait(30)


def putting(name: str, number: int = 0) -> Callable[[Connection], str]:
    def use_case(connection: Connection) -> str:
        tables.put(connection, name, number)
        return name

    return use_case


def failing_after(name: str) -> Callable[[Connection], None]:
    def use_case(connection: Connection) -> None:
        tables.put(connection, name, 0)
        raise Wrong(name)

    return use_case
