"""Masks a table batch by batch: a pure function of the batch, the rules, the key and the people."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from seatrial.data.domain import MaskUnfit, PersonMissing
from seatrial.data.masking import dates, written
from seatrial.data.masking.dossiers import Dossier
from seatrial.data.masking.plan import Act, ColumnUnfit, Memo, Plan, Work, as_reported
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.masking.text import TextMasker
from seatrial.data.rules.domain import Class, Mask, Rules
from seatrial.data.rules.tree import Node, Value, tree, values_at
from seatrial.data.sources.batches import Batch

NOBODY: Final[tuple[str, ...]] = ()
_CHANCES: Final = 1 << 32
_KEYS: Final = ({str}, {int}, {str, type(None)}, {int, type(None)})
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MANY: Final = 1 << 15  # values of a column, after which it shows whether they come again
_MOST_KEPT: Final = 1 << 17  # people whose shift of dates is kept at hand

People = Callable[[Iterable[str]], Mapping[str, Dossier]]
"""What is known of some people, by their keys."""

Persons = list[tuple[str, ...]]
"""Of each record the keys of the people it speaks of."""


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A batch, masked.

    Attributes:
        content: lines to be appended to the output; empty where the output takes columns.
        columns: the columns of a Parquet table.
        kept: the records that are in it, from 0, where the snapshot is a subset.
        count: of records in it.
        dropped: paths that no rule covers.
        offset: of the source behind it.
    """

    content: bytes = b""
    columns: list[Any] | None = None
    kept: list[int] | None = None
    count: int
    dropped: frozenset[str] = field(default_factory=frozenset)
    offset: int = 0


class TableMasker:
    """Masks one table.

    Args:
        name: of the table.
        rules: all of them.
        names: columns of a flat table.
        output: `jsonl`, `csv` or `parquet`.
        pseudonyms: under the snapshot's key.
        texts: masks free text.
    """

    def __init__(
        self,
        name: str,
        rules: Rules,
        names: tuple[str, ...],
        *,
        output: str,
        pseudonyms: Pseudonyms,
        texts: TextMasker,
    ) -> None:
        self._name = name
        self._rules = rules.tables[name]
        self._names = names
        self._output = output
        self._pseudonyms = pseudonyms
        self._texts = texts
        self._keys = _Keys()
        self._shifts = _Shifts(pseudonyms, rules.shift_days)
        self._share = rules.subset.persons
        self._node = tree(self._rules.columns)
        self._plan = Plan(name, self._node, pseudonyms)
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        # Whoever has no free text and no dates needs no person for each record.
        self._needs_person = bool(
            self._rules.has_text
            or self._share < 1
            or any(rule.mask is Mask.DATE for rule in self._rules.columns.values())
        )

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of the output of a flat table."""
        return self._layout(self._names).shown

    def head(self) -> bytes:
        """The first line of a CSV output."""
        return written.csv_head(self.shown)

    def persons(self, batch: Batch) -> Persons:
        """The keys of whom each record speaks; the first is the one by whom its dates move.

        Raises:
            PersonMissing: it must name somebody, and does not.
        """
        paths = self._rules.person
        if not paths:
            return [NOBODY] * batch.count
        column = self._one_column(batch, paths)
        # Of one kind only: 1, 1.0 and True would be one key.
        if column is not None and set(map(type, column)) in _KEYS:
            found = list(map(self._keys.__getitem__, column))
        else:
            found = [
                tuple(
                    dict.fromkeys(filter(None, (_key(v) for p in paths for v in values_at(row, p))))
                )
                for row in batch.rows(self._names)
            ]
        if not self._rules.person_optional and not all(found):
            place = f"record {batch.first + found.index(NOBODY)}"
            raise PersonMissing(table=self._name, place=place, path=paths[0])
        return found

    def _one_column(self, batch: Batch, paths: tuple[str, ...]) -> Sequence[Value] | None:
        """The values of the only path that names people, where it is a column or a plain member."""
        if len(paths) != 1:
            return None
        if batch.records is not None:
            return [record.get(paths[0]) for record in batch.records]
        return (
            (batch.columns or ())[self._names.index(paths[0])] if paths[0] in self._names else None
        )

    def masked(self, batch: Batch, people: People) -> Masked:
        """`batch`, masked; `people` tells what is known of those in it.

        Raises:
            MaskUnfit: a value is not of the kind that its rule says.
            PersonMissing: see `persons`.
        """
        persons = self.persons(batch) if self._needs_person else [NOBODY] * batch.count
        kept: list[int] | None = None
        offset = batch.offset
        if self._share < 1 and self._rules.person:
            kept = [index for index, of in enumerate(persons) if self.is_chosen(of)]
            batch, persons = batch.only(kept), [persons[index] for index in kept]
        dropped: set[str] = set()
        columns: list[Any] | None = None
        if batch.records is not None:
            content = self._nested(batch, persons, people, dropped)
        else:
            layout = self._layout(self._names)
            columns = self._flat(layout, batch, persons, people, dropped)
            content = b"" if self._output == "parquet" else self._written(layout, columns, batch)
        return Masked(
            content=content,
            columns=columns if self._output == "parquet" else None,
            kept=kept,
            count=batch.count,
            dropped=frozenset(dropped),
            offset=offset,
        )

    def is_chosen(self, persons: tuple[str, ...]) -> bool:
        """Whether the subset has all of `persons`: by key, the same in every table."""
        chance = self._pseudonyms.domain("subset").number
        return all(chance(one) % _CHANCES < self._share * _CHANCES for one in persons)

    def _nested(self, batch: Batch, persons: Persons, people: People, dropped: set[str]) -> bytes:
        names = tuple(batch.records[0]) if batch.records else ()
        if self._node.names is None and set(map(tuple, batch.records or ())) == {names}:
            # All have the same members: column by column is twice as fast.
            columns = list(zip(*map(dict.values, batch.records or ()), strict=True))
            alike = replace(batch, records=None, columns=columns)
            layout = self._layout(names)
            shown = self._flat(layout, alike, persons, people, dropped)
            return self._written(layout, shown, batch)
        works, masked = [], []
        for index, record in enumerate(batch.records or ()):
            work = Work(days=self._shifts[persons[index]], dropped=dropped)
            try:
                masked.append(self._plan.record(record, work))
            except ColumnUnfit as error:
                raise self._unfit(error, batch.first + index) from None
            works.append(work)
        self._place_texts(works, persons, people)
        return b"".join(
            [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in masked]
        )

    def _layout(self, names: tuple[str, ...]) -> "_Layout":
        found = self._layouts.get(names)
        if found is None:
            nodes = [(index, name, self._node.of(name)) for index, name in enumerate(names)]
            acts = [
                (index, name, node, act)
                for index, name, node in nodes
                if node is not None and (act := self._plan.act(node)) is not None
            ]
            found = self._layouts[names] = _Layout(
                columns=acts,
                shown=tuple(name for _, name, _, _ in acts),
                uncovered=frozenset(as_reported(name) for _, name, node in nodes if node is None),
            )
        return found

    def _flat(
        self, layout: "_Layout", batch: Batch, persons: Persons, people: People, dropped: set[str]
    ) -> list[Any]:
        columns: list[Any] = []
        works: list[Work] | None = None
        days: list[int] | None = None
        dropped |= layout.uncovered
        for index, _, node, act in layout.columns:
            values = (batch.columns or ())[index]
            memo = self._plan.memos.get(node.path) if node.rule is not None else None
            kinds = set(map(type, values))
            if memo is not None and kinds == {str}:
                columns.append(self._mapped(memo, values, batch.first))
            elif node.rule is not None and node.rule.kind is Class.KEEP and kinds <= _SCALARS:
                columns.append(values)
            elif node.rule is not None and node.rule.mask is Mask.DATE:
                days = days or list(map(self._shifts.__getitem__, persons))
                columns.append(self._shifted(act, values, days, batch.first, dropped))
            else:
                works = works or [Work(days=self._shifts[of], dropped=dropped) for of in persons]
                columns.append(self._each(act, values, works, batch.first))
        if works is not None:
            self._place_texts(works, persons, people)
        return columns

    def _mapped(self, memo: Memo, values: Value, first: int) -> list[str]:
        if memo.rarely_hits:
            with contextlib.suppress(Unfit):  # the slower way tells which it was
                return (
                    list(map(memo.mask, values))
                    if all(values)
                    else [memo.mask(value) if value else value for value in values]
                )
        before = len(memo)
        try:
            masked = list(map(memo.__getitem__, values))
            memo.rarely_hits = before > _MANY and len(memo) - before > len(values) // 2
            return masked  # noqa: TRY300 - the whole is what may fail
        except ColumnUnfit as error:
            wrong = next(i for i, value in enumerate(values) if value not in memo)
            raise self._unfit(error, first + wrong) from None

    def _shifted(
        self,
        act: Act,
        values: Value,
        days: list[int],
        first: int,
        dropped: set[str],
    ) -> list[Any]:
        shifted = dates.shifted
        if set(map(type, values)) == {str} and (moved := dates.all_shifted(values, days)):
            return moved
        try:
            return [shifted(v, d) if v else v for v, d in zip(values, days, strict=True)]
        except (Unfit, TypeError):  # a value of another kind: one by one, to tell which
            works = [Work(days=day, dropped=dropped) for day in days]
            return self._each(act, values, works, first)

    def _each(self, act: Act, values: Value, works: list[Work], first: int) -> list[Any]:
        masked: list[Any] = [None] * len(works)
        index = 0
        try:
            for index, (value, work) in enumerate(zip(values, works, strict=True)):
                masked[index] = act(value, work, masked, index)
        except ColumnUnfit as error:
            raise self._unfit(error, first + index) from None
        return masked

    def _place_texts(self, works: list[Work], persons: Persons, people: People) -> None:
        waiting = [index for index, work in enumerate(works) if work.texts]
        known = people({one for index in waiting for one in persons[index]}) if waiting else {}
        for index in waiting:
            work = works[index]
            of = [known[person] for person in persons[index] if person in known]
            work.place(self._texts.masked(work.texts, of))
        for work in works:
            if work.wholes and not work.texts:
                work.place([])

    def _written(self, layout: "_Layout", columns: list[Any], batch: Batch) -> bytes:
        if self._output == "csv":
            return written.as_csv(columns)
        return written.as_json_lines(layout.shown, columns, batch.count)

    def _unfit(self, error: ColumnUnfit, record: int) -> MaskUnfit:
        return MaskUnfit(
            column=error.path,
            table=self._name,
            place=f"record {record}",
            mask=error.mask,
            reason=str(error),
        )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What is done with records of the same members.

    Attributes:
        columns: place, name, rules and act of each member that is shown.
        shown: their names.
        uncovered: names that no rule covers.
    """

    columns: list[tuple[int, str, Node, Act]]
    shown: tuple[str, ...]
    uncovered: frozenset[str]


class _Keys(dict[Value, tuple[str, ...]]):
    """The person that a column's value names."""

    def __missing__(self, value: Value) -> tuple[str, ...]:
        if len(self) >= _MOST_KEPT:
            self.clear()
        key = _key(value)
        found = self[value] = (key,) if key else NOBODY
        return found


class _Shifts(dict[tuple[str, ...], int]):
    """By how many days the dates of a record's people move: by its first one's shift."""

    def __init__(self, pseudonyms: Pseudonyms, most: int) -> None:
        super().__init__()
        self._pseudonyms = pseudonyms
        self._most = most

    def __missing__(self, persons: tuple[str, ...]) -> int:
        if len(self) >= _MOST_KEPT:
            self.clear()
        first = persons[0] if persons else ""
        days = self[persons] = self._pseudonyms.shift(first, self._most)
        return days


def _key(value: object) -> str:
    if type(value) is str:
        return value.strip()
    return "" if value is None else str(value)


def identified(node: Node) -> bool:
    """Whether any rule below `node` hides a value."""
    own = (node.rule, node.names, node.below)
    inner = (*node.members.values(), *((node.any,) if node.any else ()))
    return any(rule is not None and rule.identifies for rule in own) or any(map(identified, inner))
