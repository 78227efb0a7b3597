"""SEA002: time comes from a clock that was handed in."""

from collections.abc import Iterator
from typing import Final

from dev.lint.places import within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_READS: Final = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.clock_gettime",
        "time.clock_gettime_ns",
        "time.ctime",
        "time.gmtime",
        "time.localtime",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.process_time_ns",
        "time.sleep",
        "time.thread_time",
        "time.thread_time_ns",
        "time.time",
        "time.time_ns",
    }
)


def _check(source: Source) -> Iterator[Sighting]:
    if within(source.place, "kit/clock"):
        return
    for node, name in source.references():
        if name in _READS:
            yield at(node, f"`{name}` reads the machine's own time")


WALL_CLOCK: Final = Rule(
    code="SEA002",
    promise="Only `kit/clock.py` reads the machine's time; rules take `now`, services a `Clock`.",
    why="code that reads the time itself cannot be rehearsed in seconds, nor tested at midnight",
    remedy="take `now` as an argument in a rule, a `Clock` elsewhere",
    check=_check,
)
