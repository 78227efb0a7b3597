"""Dates in the forms that people and programs write, and the same dates earlier."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from operator import sub
from typing import Final

from seatrial.data.masking.shapes import Unfit

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_ISO: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_MOST_KEPT: Final = 1 << 15  # days that are kept at hand: of ninety years
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)\Z")
_SLASHED: Final = re.compile(r"(\d{1,2})([/.])(\d{1,2})\2(\d{4})\Z")


def shifted(text: str, days: int) -> str:
    """The date in `text`, `days` earlier, written as it was; a time behind it stays.

    Raises:
        Unfit: no date in a form that is known: ISO, compact, `m/d/y`, `d.m.y`.
    """
    if len(text) == 10 and text[4] == "-":  # the usual form, four times as fast
        try:
            return earlier(date.fromisoformat(text), days).isoformat()
        except ValueError:
            raise Unfit("it is a date that no calendar has") from None
    day, form = _read(text)
    return form(earlier(day, days))


def all_shifted(texts: Sequence[str], days: Sequence[int]) -> list[str] | None:
    """Each of `texts`, which are all `2024-03-01`, so many days earlier; None: not all are.

    Fifteen times as fast as one by one, once their few thousand different days are known.
    """
    try:
        moved = list(map(sub, map(_NUMBERS.__getitem__, texts), days))
    except ValueError:
        return None
    return list(map(_TEXTS.__getitem__, moved)) if moved and min(moved) > 0 else None


class _Numbers(dict[str, int]):
    """The number of the day that an ISO date names; raises `ValueError` where it is none."""

    def __missing__(self, text: str) -> int:
        if len(text) != 10 or text[4] != "-":
            raise ValueError(text)
        if len(self) >= _MOST_KEPT:
            self.clear()
        number = self[text] = date.fromisoformat(text).toordinal()
        return number


class _Texts(dict[int, str]):
    """The ISO date of a day's number."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _MOST_KEPT:
            self.clear()
        text = self[number] = date.fromordinal(number).isoformat()
        return text


_NUMBERS: Final = _Numbers()
_TEXTS: Final = _Texts()


def earlier(day: date, days: int) -> date:
    """`days` before `day`, but never before the year 1."""
    return day - timedelta(days=days) if day.toordinal() > days else day + timedelta(days=days)


def year_of(text: str) -> str:
    """The first of January of the date's year, in the same form."""
    day, form = _read(text)
    return form(date(day.year, 1, 1))


def read_date(text: str) -> date | None:
    """The date that `text` begins with; None where there is none."""
    try:
        return _read(text)[0]
    except Unfit:
        return None


class _Form:
    """How a date was written: `{y}`, `{m}`, `{d}` in a pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __call__(self, day: date) -> str:
        return self._pattern.format(y=day.year, m=day.month, d=day.day)


def _read(text: str) -> tuple[date, _Form]:
    try:
        if match := _ISO.match(text):
            rest = text[match.end() :].replace("{", "{{").replace("}", "}}")
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return day, _Form(f"{{y:04}}-{{m:02}}-{{d:02}}{rest}")
        if match := _COMPACT.match(text):
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return day, _Form("{y:04}{m:02}{d:02}")
        if match := _SLASHED.match(text):
            return _slashed(match)
    except ValueError:
        raise Unfit("it is a date that no calendar has") from None
    raise Unfit("it is no date in a known form")


def _slashed(match: re.Match[str]) -> tuple[date, _Form]:
    """`3/14/1990` as the United States write it, unless only `14/3/1990` is a date."""
    first, mark, second, year = int(match[1]), match[2], int(match[3]), int(match[4])
    american = mark == "/" and first <= 12
    month, number = (first, second) if american else (second, first)
    wide = ":02" if len(match[1]) == len(match[3]) == 2 else ""
    order = f"{{m{wide}}}{mark}{{d{wide}}}" if american else f"{{d{wide}}}{mark}{{m{wide}}}"
    return date(year, month, number), _Form(f"{order}{mark}{{y:04}}")


def renderings(day: date) -> Iterator[str]:
    """The forms in which a text may name `day`, always in the same order."""
    y, m, d = day.year, day.month, day.day
    month, short = _MONTHS[m - 1], _MONTHS[m - 1][:3]
    yield f"{y:04}-{m:02}-{d:02}"
    yield f"{y:04}{m:02}{d:02}"
    yield f"{y:04}/{m:02}/{d:02}"
    for mark in "/.-":
        yield f"{m:02}{mark}{d:02}{mark}{y:04}"
        yield f"{d:02}{mark}{m:02}{mark}{y:04}"
        yield f"{m}{mark}{d}{mark}{y:04}"
        yield f"{d}{mark}{m}{mark}{y:04}"
    ending = "th" if 10 < d < 14 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
    for name in (month, short):
        yield f"{name} {d}, {y}"
        yield f"{name} {d} {y}"
        yield f"{name} {d}{ending}, {y}"
        yield f"{name} {d}{ending} {y}"
        yield f"{d} {name} {y}"
        yield f"{d}{ending} {name} {y}"
        yield f"{d}{ending} of {name} {y}"
        yield f"{d}{ending} of {name}, {y}"
