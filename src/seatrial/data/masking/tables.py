"""Masks a table batch by batch: a pure function of the batch, the rules, the key and the people."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from seatrial.data.domain import MaskUnfit, PersonMissing
from seatrial.data.masking import dates
from seatrial.data.masking.dossiers import Dossier
from seatrial.data.masking.plan import Act, ColumnUnfit, Memo, Plan, Work
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.masking.text import TextMasker
from seatrial.data.rules.domain import Class, Mask, Rules
from seatrial.data.rules.tree import Node, Value, tree, values_at
from seatrial.data.sources.batches import Batch

_NOBODY: Final = ""
_CHANCES: Final = 1 << 32
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MOST_KEPT: Final = 1 << 17  # people whose shift of dates is kept at hand

People = Callable[[Iterable[str]], Mapping[str, Dossier]]
"""What is known of some people, by their keys."""


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
        self._shifts = _Shifts(pseudonyms, rules.shift_days)
        self._share = rules.subset.persons
        self._node = tree(self._rules.columns)
        self._plan = Plan(name, self._node, pseudonyms)
        self._uncovered = frozenset(n for n in names if self._node.of(n) is None)
        self._columns = [
            (index, name, node, act)
            for index, name in enumerate(names)
            if (node := self._node.of(name)) is not None
            and (act := self._plan.act(node)) is not None
        ]
        # Whoever has no free text and no dates needs no person for each record.
        self._needs_person = bool(
            self._rules.has_text
            or self._share < 1
            or any(rule.mask is Mask.DATE for rule in self._rules.columns.values())
        )

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of the output of a flat table."""
        return tuple(name for _, name, _, _ in self._columns)

    def head(self) -> bytes:
        """The first line of a CSV output."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(self.shown)
        return text.getvalue().encode()

    def persons(self, batch: Batch) -> list[str]:
        """The key of whom each record speaks, empty where it names nobody.

        Raises:
            PersonMissing: it must name somebody, and does not.
        """
        paths = self._rules.person
        if not paths:
            return [_NOBODY] * batch.count
        if batch.columns is not None and paths[0] in self._names:
            column = batch.columns[self._names.index(paths[0])]
            found = [v.strip() if type(v) is str else _key(v) for v in column]
        else:
            found = [
                next((_key(v) for path in paths for v in values_at(row, path) if _key(v)), _NOBODY)
                for row in batch.rows(self._names)
            ]
        if not self._rules.person_optional and _NOBODY in found:
            place = f"record {batch.first + found.index(_NOBODY)}"
            raise PersonMissing(table=self._name, place=place, path=paths[0])
        return found

    def masked(self, batch: Batch, people: People) -> Masked:
        """`batch`, masked; `people` tells what is known of those in it.

        Raises:
            MaskUnfit: a value is not of the kind that its rule says.
            PersonMissing: see `persons`.
        """
        persons = self.persons(batch) if self._needs_person else [_NOBODY] * batch.count
        kept: list[int] | None = None
        offset = batch.offset
        if self._share < 1 and self._rules.person:
            kept = [index for index, person in enumerate(persons) if self.is_chosen(person)]
            batch, persons = batch.only(kept), [persons[index] for index in kept]
        dropped = set(self._uncovered)
        if batch.records is not None:
            content, columns = self._nested(batch, persons, people, dropped), None
        else:
            columns = self._flat(batch, persons, people, dropped)
            content = b"" if self._output == "parquet" else self._written(columns, batch.count)
        return Masked(
            content=content,
            columns=columns if self._output == "parquet" else None,
            kept=kept,
            count=batch.count,
            dropped=frozenset(dropped),
            offset=offset,
        )

    def is_chosen(self, person: str) -> bool:
        """Whether the subset has `person`: by key, so that it is the same in every table."""
        if person == _NOBODY or self._share >= 1:
            return True
        chance = self._pseudonyms.domain("subset").number(person) % _CHANCES
        return chance < self._share * _CHANCES

    def _nested(self, batch: Batch, persons: list[str], people: People, dropped: set[str]) -> bytes:
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

    def _flat(
        self, batch: Batch, persons: list[str], people: People, dropped: set[str]
    ) -> list[Any]:
        columns: list[Any] = []
        works: list[Work] | None = None
        days: list[int] | None = None
        for index, _, node, act in self._columns:
            values = (batch.columns or ())[index]
            memo = self._plan.memos.get(node.path) if node.rule is not None else None
            kinds = set(map(type, values))
            if memo is not None and kinds == {str}:
                columns.append(self._mapped(memo, values, batch.first))
            elif node.rule is not None and node.rule.kind is Class.KEEP and kinds <= _SCALARS:
                columns.append(values)
            elif node.rule is not None and node.rule.mask is Mask.DATE:
                days = days or [self._shifts[person] for person in persons]
                columns.append(self._shifted(act, values, days, batch.first, dropped))
            else:
                works = works or [
                    Work(days=self._shifts[person], dropped=dropped) for person in persons
                ]
                columns.append(self._each(act, values, works, batch.first))
        if works is not None:
            self._place_texts(works, persons, people)
        return columns

    def _mapped(self, memo: Memo, values: Value, first: int) -> list[str]:
        try:
            return [memo[value] for value in values]
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

    def _place_texts(self, works: list[Work], persons: list[str], people: People) -> None:
        waiting = [index for index, work in enumerate(works) if work.texts]
        known = people({persons[index] for index in waiting}) if waiting else {}
        for index in waiting:
            work = works[index]
            work.place(self._texts.masked(work.texts, known.get(persons[index], NOTHING)))
        for work in works:
            if work.wholes and not work.texts:
                work.place([])

    def _written(self, columns: list[Any], count: int) -> bytes:
        if self._output == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
            return text.getvalue().encode()
        rows = zip(*columns, strict=True) if columns else [()] * count
        return b"".join(
            [
                orjson.dumps(
                    dict(zip(self.shown, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE
                )
                for row in rows
            ]
        )

    def _unfit(self, error: ColumnUnfit, record: int) -> MaskUnfit:
        return MaskUnfit(
            column=error.path,
            table=self._name,
            place=f"record {record}",
            mask=error.mask,
            reason=str(error),
        )


class _Shifts(dict[str, int]):
    """By how many days each person's dates move."""

    def __init__(self, pseudonyms: Pseudonyms, most: int) -> None:
        super().__init__()
        self._pseudonyms = pseudonyms
        self._most = most

    def __missing__(self, person: str) -> int:
        if len(self) >= _MOST_KEPT:
            self.clear()
        days = self[person] = self._pseudonyms.shift(person, self._most)
        return days


NOTHING: Final = Dossier(())
"""What is known of nobody."""


def _key(value: object) -> str:
    return "" if value is None else str(value).strip()


def identified(node: Node) -> bool:
    """Whether any rule below `node` hides a value."""
    own = (node.rule, node.names, node.below)
    inner = (*node.members.values(), *((node.any,) if node.any else ()))
    return any(rule is not None and rule.identifies for rule in own) or any(map(identified, inner))
