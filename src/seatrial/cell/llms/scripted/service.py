"""Finds the answer to a question: a fault on request, a recording, a rule."""

import fnmatch
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from seatrial.cell.llms.scripted.domain import (
    Answer,
    Asked,
    Break,
    Calling,
    Fault,
    Reply,
    Role,
    Rule,
    Script,
    ScriptRefused,
    Unscripted,
)
from seatrial.data.recordings.domain import Course, Recording, Step, courses
from seatrial.kit.documents import findings
from seatrial.kit.files import Unreadable, read_bounded

_LARGEST: Final = 4 << 20  # bytes of a script


class Scripted:
    """One provider. Belongs to the event loop.

    Args:
        rules: the first that fits answers.
        recordings: a question that goes as one of them did has its answer.
        pace: how much of the time that a recorded answer took is waited; 0 for none.
    """

    def __init__(
        self, rules: Sequence[Rule], recordings: Iterable[Recording] = (), *, pace: float = 0.0
    ) -> None:
        self._rules = list(rules)
        self._used = [0] * len(self._rules)
        self._recorded: dict[str, Step] = {}
        self._pace = pace
        self._breaks: list[Break] = []
        self.counts: Final = Counter[str]()
        for recording in recordings:
            for key, step in courses(recording):
                self._recorded.setdefault(key, step)

    def break_next(self, asked: Break) -> None:
        """Let the next questions meet a fault."""
        self._breaks.append(asked)

    def mend(self) -> None:
        """Forget every fault that was asked for."""
        self._breaks.clear()

    def reply(self, asked: Asked) -> Reply:
        """What is to happen; raises `Unscripted`."""
        reply = self._broken(asked) or self._from_record(asked) or self._by_rule(asked)
        if reply is None:
            self.counts["unscripted"] += 1
            raise Unscripted(asked=asked.summary)
        self.counts["answered" if reply.fault is None else str(reply.fault)] += 1
        return reply

    def _broken(self, asked: Asked) -> Reply | None:
        for place, each in enumerate(self._breaks):
            if not fnmatch.fnmatchcase(asked.model, each.model):
                continue
            left = each.times - 1
            self._breaks[place : place + 1] = (
                [each.model_copy(update={"times": left})] if left else []
            )
            return self._faulty(asked, each.fault)
        return None

    def _faulty(self, asked: Asked, fault: Fault) -> Reply:
        """A fault; those that spoil an answer need one to spoil."""
        whole = self._from_record(asked) or self._by_rule(asked)
        return Reply(answer=None if whole is None else whole.answer, fault=fault)

    def _from_record(self, asked: Asked) -> Reply | None:
        if not self._recorded:
            return None
        course = Course(asked.model)
        for each in asked.heard:
            if each.role is Role.USER:
                course.told("user", each.text)
            elif each.role is Role.TOOL:
                course.told("tool", each.text)
        step = self._recorded.get(course.key)
        if step is None:
            return None
        return Reply(answer=_said(step), delay=self._pace * (step.seconds or 0.0))

    def _by_rule(self, asked: Asked) -> Reply | None:
        for place, rule in enumerate(self._rules):
            if rule.times is not None and self._used[place] >= rule.times:
                continue
            found = rule.when.fits(asked)
            if found is None:
                continue
            self._used[place] += 1
            if rule.fault is None:
                return Reply(answer=rule.answer(asked, found), delay=rule.delay_seconds)
            speaks = rule.say is not None or bool(rule.calls)
            answer = rule.answer(asked, found) if speaks else None
            return Reply(answer=answer, fault=rule.fault, delay=rule.delay_seconds)
        return None


def rules_of(path: Path) -> tuple[Rule, ...]:
    """The rules in a TOML file; raises `ScriptRefused`."""
    try:
        text = read_bounded(path, _LARGEST).decode()
        return Script.model_validate(tomllib.loads(text)).rules
    except Unreadable as error:
        raise ScriptRefused(path=str(path), reason=str(error)) from None
    except ValidationError as error:
        raise ScriptRefused(path=str(path), reason=findings(Script, error)) from None
    except (ValueError, RecursionError) as error:
        raise ScriptRefused(path=str(path), reason=str(error)) from None


def _said(step: Step) -> Answer:
    calls = tuple(
        Calling(id=each.id, name=each.name, arguments=each.arguments) for each in step.calls
    )
    return Answer(
        content=step.content,
        calls=calls,
        input_tokens=step.input_tokens or 0,
        output_tokens=step.output_tokens or 0,
    )
