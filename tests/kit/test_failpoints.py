"""A failpoint does nothing unless the process was told, and then exactly what it was told."""

import multiprocessing
import signal
from collections.abc import Iterator

import pytest

from seatrial.kit.failpoints import FailpointHit, FailpointUnknown, arm, reach


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")


def test_nothing_happens_unless_told() -> None:
    reach("anything")
    arm("other=fail")
    reach("anything")


def test_a_point_fails_by_name() -> None:
    arm("a.b=fail, c.d=fail")
    for name in ("a.b", "c.d"):
        with pytest.raises(FailpointHit):
            reach(name)


def _killed() -> None:
    arm("a.b=kill")
    reach("a.b")


def test_a_killed_process_is_gone_at_once() -> None:
    child = multiprocessing.get_context("spawn").Process(target=_killed)
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("text", ["a", "a=", "a=explode", "=kill", "a=kill,b"])
def test_an_order_that_is_not_understood_arms_nothing(text: str) -> None:
    with pytest.raises(FailpointUnknown):
        arm(text)
    reach("a")
