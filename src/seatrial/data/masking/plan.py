"""One table's rules, compiled: what is done with each value of a record."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from seatrial.data.masking import dates
from seatrial.data.masking.pseudonyms import HIDDEN, REDACTED, Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.rules.domain import Class, ColumnRule, Mask
from seatrial.data.rules.leaves import is_inner, parsed, written
from seatrial.data.rules.tree import Node, Value

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]+[0-9]{0,2}[A-Za-z_]{0,20}\Z")
_MOST_KEPT: Final = 1 << 17  # values of one column whose pseudonyms are kept at hand


class ColumnUnfit(ValueError):
    """A value that its column's mask does not fit."""

    def __init__(self, path: str, mask: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.mask = mask


class Memo(dict[str, str]):
    """Pseudonyms of a column's latest values: a hit costs 0.04 µs, a hash with its mask 1 to 10.

    Attributes:
        mask: makes a pseudonym.
        rarely_hits: most values are new each time, so that asking costs more than it saves.
    """

    def __init__(self, rule: ColumnRule, path: str, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule
        self._path = path
        self.mask: Final = mask
        self.rarely_hits = False
        self[""] = ""

    def __missing__(self, value: str) -> str:
        if len(self) >= _MOST_KEPT:
            self.clear()
            self[""] = ""
        try:
            masked = self[value] = self.mask(value)
        except Unfit as error:
            if self._rule.unfit == "redact":
                return REDACTED
            raise ColumnUnfit(self._path, str(self._rule.mask), str(error)) from None
        return masked


@dataclass(kw_only=True, slots=True)
class Work:
    """What is noted while one record is masked.

    Attributes:
        days: by how many its dates move.
        texts: free text found, in order.
        places: where each of `texts` goes: container and name or index.
        wholes: containers that become text when all of it is in place.
        dropped: paths that no rule covers.
    """

    days: int
    texts: list[str] = field(default_factory=list)
    places: list[tuple[Any, Any, Any]] = field(default_factory=list)
    wholes: list[tuple[Any, Any, str]] = field(default_factory=list)
    dropped: set[str]

    def place(self, masked: list[str]) -> None:
        """Put the texts, masked, where they belong."""
        texts = iter(masked)
        for container, name, original in self.places:
            container[name] = _rebuilt(original, texts)
        for container, name, like in reversed(self.wholes):
            container[name] = written(container[name], like=like)


Act = Callable[[Any, Work, Any, Any], Any]
"""Masks a value; the container and name tell where a text that is masked later is to go."""


class Plan:
    """Masks the records of one table, all but their free text."""

    def __init__(self, table: str, node: Node, pseudonyms: Pseudonyms) -> None:
        self._table = table
        self._pseudonyms = pseudonyms
        self.memos: Final[dict[str, Memo]] = {}
        self._root = self._members(node)

    def record(self, record: dict[str, Any], work: Work) -> dict[str, Any]:
        """`record` masked; its texts are in `work`, to be placed when they are."""
        holder: list[Any] = [None]
        holder[0] = self._root(record, work, holder, 0)
        return holder[0]  # type: ignore[no-any-return] # a dict masks to a dict

    def act(self, node: Node) -> Act | None:
        """What is done with a value at `node`; None: it is dropped."""
        rule = node.rule
        if rule is None:
            if node.below is not None:
                return self._leaf(node.below, f"{node.path}.**", deep=True)
            return self._listed(self._json(node)) if is_inner(node) else None
        if rule.kind is Class.DROP:
            return None
        return self._leaf(rule, node.path, deep=False)

    def _members(self, node: Node) -> Act:
        acts = {name: self.act(inner) for name, inner in node.members.items()}
        other = self.act(node.any) if node.any is not None else None
        covered = set(acts) if node.any is None else None
        names = self._scalar(node.names, f"{node.path}.@") if node.names else None
        prefix = f"{node.path}." if node.path else ""

        def members(value: Value, work: Work, _container: Value, _name: Value) -> Value:
            if not isinstance(value, dict):
                work.dropped.add(node.path)
                return None
            masked: dict[str, Any] = {}
            for name, inner in value.items():
                act = acts.get(name, other)
                if act is None:
                    if covered is not None and name not in covered:
                        work.dropped.add(prefix + as_reported(name))
                    continue
                shown = name if names is None else names(name, work)
                masked[shown] = act(inner, work, masked, shown)
            return masked

        return members

    def _json(self, node: Node) -> Act:
        """An object, or a text that holds one."""
        members = self._members(node)

        def act(value: Value, work: Work, container: Value, name: Value) -> Value:
            if not isinstance(value, str):
                return members(value, work, container, name) if value is not None else None
            inner = parsed(value)
            if isinstance(inner, str):
                if inner:
                    raise ColumnUnfit(node.path, "JSON", "its text holds none")
                return inner
            work.wholes.append((container, name, value))
            return self._listed(members)(inner, work, container, name)

        return act

    def _listed(self, act: Act) -> Act:
        def each(value: Value, work: Work, container: Value, name: Value) -> Value:
            if not isinstance(value, list):
                return act(value, work, container, name)
            masked: list[Any] = [None] * len(value)
            for index, item in enumerate(value):
                masked[index] = each(item, work, masked, index)
            return masked

        return each

    def _leaf(self, rule: ColumnRule, path: str, *, deep: bool) -> Act:
        if rule.kind is Class.FREE_TEXT:
            return _text(path, deep=deep)
        if deep and rule.kind is Class.KEEP:
            return lambda value, _work, _container, _name: value
        scalar = self._scalar(rule, path)
        memo = self.memos.get(path)

        def leaf(value: Value, work: Work, container: Value, name: Value) -> Value:
            if memo is not None and type(value) is str:
                return memo[value]
            if isinstance(value, list):
                return [leaf(item, work, container, name) for item in value]
            if isinstance(value, dict):
                if deep:
                    return {inner: leaf(v, work, container, name) for inner, v in value.items()}
                work.dropped.add(f"{path}.*")
                return None
            return scalar(value, work)

        return leaf

    def _scalar(self, rule: ColumnRule, path: str) -> Callable[[Any, Work], Any]:
        if rule.kind is Class.KEEP or rule.mask is Mask.KEPT:
            return lambda value, _work: value
        if rule.mask is Mask.DATE:
            return _guarded(rule, path, lambda value, work: _shifted(value, work.days))
        mask = self._pseudonyms.text_mask(rule, rule.domain_in(self._table, path))
        whole = self._pseudonyms.whole_mask(rule, rule.domain_in(self._table, path))
        memo = self.memos[path] = Memo(rule, path, mask)

        def typed(value: Value, _work: Work) -> Value:
            if type(value) is str:
                return memo[value]
            if isinstance(value, bool):
                return False if rule.kind is Class.SECRET else _no(value, "it is true or false")
            if isinstance(value, int):
                return whole(value)
            return _other(rule, value)

        return _guarded(rule, path, typed)


def as_reported(name: str) -> str:
    """A member's name, unless it looks like a value: reports hold none."""
    return name if _PLAIN_NAME.match(name) else "*"


def _text(path: str, *, deep: bool) -> Act:
    def text(value: Value, work: Work, container: Value, name: Value) -> Value:
        if type(value) is str:
            work.texts.append(value)
            work.places.append((container, name, value))
            return None  # until its masked form is put there: nothing unmasked is ever in place
        if isinstance(value, dict) and not deep:
            work.dropped.add(f"{path}.*")
            return None
        found: list[str] = []
        _collect(value, found)
        if found:
            work.texts.extend(found)
            work.places.append((container, name, value))
            return None
        return value

    return text


def _collect(value: Value, into: list[str]) -> None:
    """Append every text in `value`, names of members and long numbers too, in a fixed order."""
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            into.append(name)
            _collect(inner, into)
    elif isinstance(value, list):
        for item in value:
            _collect(item, into)
    elif _is_long(value):
        into.append(str(value))


def _rebuilt(value: Value, texts: Iterator[str]) -> Value:
    """`value` with its texts taken from `texts`, in the order of `_collect`."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, dict):
        return {next(texts): _rebuilt(inner, texts) for inner in value.values()}
    if isinstance(value, list):
        return [_rebuilt(item, texts) for item in value]
    if _is_long(value):
        text = next(texts)
        if text == str(value):
            return value
        return type(value)(text) if text.replace(".", "", 1).lstrip("-").isdigit() else text
    return value


def _is_long(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 1000


def _shifted(value: Value, days: int) -> Value:
    if value is None or value == "":
        return value
    if isinstance(value, str):
        return dates.shifted(value, days)
    if isinstance(value, date):  # of Parquet; a datetime is one too
        return dates.earlier(value, days)
    raise Unfit("it is no text with a date")


def _other(rule: ColumnRule, value: Value) -> Value:
    if value is None:
        return None
    if rule.kind is Class.SECRET:
        return 0.0 if isinstance(value, float) else HIDDEN
    if isinstance(value, float) and rule.mask is Mask.BAND:
        return value // rule.width * rule.width
    return _no(value, f"it is of type {type(value).__name__}")


def _no(_value: Value, reason: str) -> Value:
    raise Unfit(reason)


def _guarded(
    rule: ColumnRule, path: str, act: Callable[[Any, Work], Any]
) -> Callable[[Any, Work], Any]:
    def guarded(value: Value, work: Work) -> Value:
        try:
            return act(value, work)
        except Unfit as error:
            if rule.unfit == "redact":
                return REDACTED
            raise ColumnUnfit(path, str(rule.mask), str(error)) from None

    return guarded
