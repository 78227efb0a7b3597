"""What differs between a run and one that follows it: its replay, its shadow."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Row = Mapping[str, Any]
_NO_CALL: Final = frozenset(("end",))
_NOT_YET: Final = frozenset(("held",))
_DIGITS: Final = 8  # of a key, for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One call of one of the two runs, or of both.

    Attributes:
        change: `same`, `added` by the replay, `removed`, or `changed`: the same model or action,
            asked something else.
        kind: of call.
        name: of the model or action.
        before: the call's key in the run; empty where it made none.
        after: in the replay, likewise.
        decision: what became of it in the replay; empty where it made none.
        reason: why.
    """

    change: str
    kind: str
    name: str
    before: str = ""
    after: str = ""
    decision: str = ""
    reason: str = ""

    def row(self) -> tuple[str, ...]:
        """As a row of a table."""
        keys = (self.before[:_DIGITS], self.after[:_DIGITS])
        key = keys[1] if keys[0] in {"", keys[1]} else " -> ".join(filter(None, keys))
        return self.change, self.kind, self.name, key, self.decision, self.reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What a replay did otherwise.

    Attributes:
        steps: every call in order.
        state: of the run and of the replay.
        error: the codes of what failed, likewise; empty for nothing.
        output: lines of a unified diff; empty where both say the same.
        spent: of the run and of the replay: input tokens, output tokens, US dollars. A strict
            replay spends nothing, so this is for information.
    """

    steps: tuple[Step, ...]
    state: tuple[str, str]
    error: tuple[str, str]
    output: tuple[str, ...]
    spent: tuple[tuple[int, int, float], tuple[int, int, float]]

    @property
    def differs(self) -> bool:
        """Whether the replay did anything else: a call, its end, or its output."""
        other = any(step.change != "same" or step.decision == "refused" for step in self.steps)
        ends = self.state[0] != self.state[1] or self.error[0] != self.error[1]
        return other or ends or bool(self.output)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        names = ("input_tokens", "output_tokens", "cost_usd")
        return {
            "differs": self.differs,
            "state": {"before": self.state[0], "after": self.state[1]},
            "error": {"before": self.error[0] or None, "after": self.error[1] or None},
            "calls": [
                {
                    "change": step.change,
                    "kind": step.kind,
                    "name": step.name,
                    "before": step.before or None,
                    "after": step.after or None,
                    "decision": step.decision or None,
                    "reason": step.reason or None,
                }
                for step in self.steps
            ],
            "output": list(self.output),
            "spent": {
                "before": dict(zip(names, self.spent[0], strict=True)),
                "after": dict(zip(names, self.spent[1], strict=True)),
            },
        }


def difference(
    before: Row, after: Row, asked_before: Sequence[Row], asked_after: Sequence[Row]
) -> Difference:
    """What a replay did otherwise than the run.

    Args:
        before: the run's receipt.
        after: the replay's.
        asked_before: decisions of the run.
        asked_after: decisions of the replay.
    """
    return Difference(
        steps=tuple(_steps(_calls(asked_before), _calls(asked_after))),
        state=(str(before.get("state")), str(after.get("state"))),
        error=(_code(before), _code(after)),
        output=tuple(_output(before.get("output"), after.get("output"))),
        spent=(_spent(before), _spent(after)),
    )


def _calls(decisions: Sequence[Row]) -> list[Row]:
    """What the last attempt asked, in order, each call once."""
    last = max((each.get("attempt", 0) for each in decisions), default=0)
    return [
        each
        for each in decisions
        if each.get("attempt") == last
        and each.get("kind") not in _NO_CALL
        and each.get("decision") not in _NOT_YET
    ]


def _steps(before: list[Row], after: list[Row]) -> Iterator[Step]:
    matcher = difflib.SequenceMatcher(
        None, [_name(each) for each in before], [_name(each) for each in after], autojunk=False
    )
    for kind, left, left_end, right, right_end in matcher.get_opcodes():
        if kind == "equal":
            for old, new in zip(before[left:left_end], after[right:right_end], strict=True):
                yield _step("same", old, new)
        else:
            yield from _replaced(before[left:left_end], after[right:right_end])


def _replaced(before: list[Row], after: list[Row]) -> Iterator[Step]:
    """Calls that are not the same: by pairs where the same model or action is asked."""
    left = list(before)
    for new in after:
        place = next(
            (number for number, old in enumerate(left) if _name(old)[:2] == _name(new)[:2]), None
        )
        if place is None:
            yield _step("added", None, new)
            continue
        for old in left[:place]:
            yield _step("removed", old, None)
        yield _step("changed", left[place], new)
        left = left[place + 1 :]
    for old in left:
        yield _step("removed", old, None)


def _step(change: str, old: Row | None, new: Row | None) -> Step:
    shown = new or old or {}
    return Step(
        change=change,
        kind=str(shown.get("kind", "")),
        name=str(shown.get("name", "")),
        before="" if old is None else str(old.get("key", "")),
        after="" if new is None else str(new.get("key", "")),
        decision="" if new is None else str(new.get("decision", "")),
        reason="" if new is None else str(new.get("reason", "")),
    )


def _name(row: Row) -> tuple[str, str, str]:
    return str(row.get("kind")), str(row.get("name")), str(row.get("key"))


def _code(receipt: Row) -> str:
    error = receipt.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _output(before: object, after: object) -> Iterator[str]:
    old, new = (
        json.dumps(each, indent=2, ensure_ascii=False, sort_keys=True).splitlines()
        for each in (before, after)
    )
    yield from difflib.unified_diff(old, new, "the run's output", "the replay's", lineterm="")


def _spent(receipt: Row) -> tuple[int, int, float]:
    totals = receipt.get("totals") or {}
    return (
        int(totals.get("input_tokens") or 0),
        int(totals.get("output_tokens") or 0),
        float(totals.get("cost_usd") or 0.0),
    )
