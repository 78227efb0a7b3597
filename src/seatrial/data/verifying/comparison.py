"""One table compared with its source: coverage, masking in place, types, keys, crowds."""

from collections import Counter
from typing import Any, Final

from seatrial.data.rules.domain import Class, ColumnRule, Rules
from seatrial.data.rules.leaves import Leaf, leaves
from seatrial.data.rules.tree import tree, values_at
from seatrial.data.verifying.crowds import Crowds, Values
from seatrial.data.verifying.detectors import is_made_up, shapes_in
from seatrial.data.verifying.domain import TableReport

_HIDDEN: Final = frozenset({Class.DIRECT, Class.SECRET})


class Comparison:
    """What is counted while the records of one table pass by."""

    def __init__(self, name: str, rules: Rules) -> None:
        self._rules = rules.tables[name]
        self._node = tree(self._rules.columns)
        self._records = 0
        self._same: Counter[str] = Counter()
        self._uncovered: Counter[str] = Counter()
        self._types: Counter[str] = Counter()
        self._shapes: Counter[str] = Counter()
        self._kept_shapes: Counter[str] = Counter()
        self._quasi = tuple(p for p, r in self._rules.columns.items() if r.kind is Class.QUASI)
        self._crowds = Crowds(paths=self._quasi)
        tracked = {*self._rules.unique, *self._rules.references}
        self.before: Final = {path: Values() for path in tracked}
        self.after: Final = {path: Values() for path in tracked}

    def track(self, path: str) -> None:
        """Note the values at `path`, to which others refer."""
        self.before.setdefault(path, Values())
        self.after.setdefault(path, Values())

    def add(self, before: dict[str, Any], after: dict[str, Any]) -> tuple[list[Leaf], list[Leaf]]:
        """Compare one record; its leaves, as they were and as they are."""
        self._records += 1
        was, now = list(leaves(self._node, before)), list(leaves(self._node, after))
        old, new = _by_path(was), _by_path(now)
        for path, (rule, values) in new.items():
            if rule is None:
                self._uncovered[_shown(path)] += sum(value is not None for value in values)
                continue
            earlier = old.get(path, (rule, []))[1]
            if rule.kind in _HIDDEN:
                self._same[path] += _unchanged(values, earlier)
            if rule.kind is Class.KEEP:
                self._look(path, values)
            if rule.unfit == "fail" and [*map(_kind, values)] != [*map(_kind, earlier)]:
                self._types[path] += 1
        for tracked, record in ((self.before, before), (self.after, after)):
            for path, seen in tracked.items():
                seen.add([v for v in values_at(record, path) if v not in (None, "")])
        if self._quasi:
            shown = tuple(tuple(values_at(after, path)) for path in self._quasi)
            persons = [v for path in self._rules.person for v in values_at(after, path)]
            self._crowds.add([shown], [persons[0] if persons else self._records])
        return was, now

    def report(
        self, others: "dict[str, Comparison]", k: int, dropped: tuple[str, ...]
    ) -> TableReport:
        """What was counted, once every table has passed by."""
        repeated = {
            path: self.after[path].repeated() - self.before[path].repeated()
            for path in self._rules.unique
        }
        dangling, followed = {}, 0
        for path, target in self._rules.references.items():
            other, _, inner = target.partition(".")
            missing = self.after[path].missing_from(others[other].after[inner])
            missing -= self.before[path].missing_from(others[other].before[inner])
            dangling[path] = max(0, missing)
            followed += len(self.after[path].all())
        return TableReport(
            records=self._records,
            same=dict(+self._same),
            uncovered=dict(+self._uncovered),
            changed_types=dict(+self._types),
            repeated={path: number for path, number in repeated.items() if number > 0},
            dangling={path: number for path, number in dangling.items() if number},
            references=followed,
            shapes=dict(+self._kept_shapes),
            dropped=dropped,
            k=self._crowds.smallest() if self._quasi else None,
            alone=self._crowds.alone(k) if self._quasi else 0,
        )

    def _look(self, path: str, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, str) and len(value) > 6:
                self._kept_shapes[path] += sum(
                    not is_made_up(kind, found) for kind, found in shapes_in(value)
                )


def _by_path(found: list[Leaf]) -> dict[str, tuple[ColumnRule | None, list[Any]]]:
    grouped: dict[str, tuple[ColumnRule | None, list[Any]]] = {}
    for path, rule, value in found:
        grouped.setdefault(path, (rule, []))[1].append(value)
    return grouped


def _unchanged(values: list[Any], earlier: list[Any]) -> int:
    """How many values stand where they stood; of lists that grew or shrank, anywhere."""
    if len(values) == len(earlier):
        return sum(v == e and _tells(v) for v, e in zip(values, earlier, strict=True))
    before = set(map(repr, earlier))
    return sum(repr(v) in before and _tells(v) for v in values)


def _tells(value: object) -> bool:
    """Whether a value says something of somebody: not if it is empty, or what masks put there."""
    if value is None or isinstance(value, bool):
        return False
    return str(value).strip() not in {"", "0", "0.0", "[secret]", "[redacted]"}


def _kind(value: object) -> str:
    if value is None or value == "":
        return "empty"
    return "number" if type(value) in (int, float) else type(value).__name__


def _shown(path: str) -> str:
    """A path for the report: what no rule covers might be named by a value."""
    names = path.split(".")
    return ".".join(
        name if name.replace("_", "").isalnum() and len(name) < 40 else "*" for name in names
    )
