"""The oracle: what an agent says and does where no cell stands between it and the world."""

import json
from collections import Counter
from typing import Any

from seatrial.cell.journal.domain import keys
from seatrial.cell.journal.domain.rows import Effect, Kind, RowState
from tests.cell.journal.programs import If, Manner, Many, Par, Say, Seq, Step
from tests.cell.journal.world import Deed, Told, World, digest


def call_of(step: Say, body: dict[str, Any]) -> keys.Call:
    """The call that a body makes."""
    return keys.Call(
        kind=step.kind,
        dialect=keys.Dialect.ACTION,
        route="POST /x",
        name=str(step.effect),
        body=json.dumps(body, separators=(",", ":")).encode(),
    )


def direct(program: Step, world: World) -> list[Any]:
    """Run `program` against `world`; what it says in the end."""
    seen: list[Any] = []
    _Direct(world).run(program, seen, "")
    return seen


class _Direct:
    def __init__(self, world: World) -> None:
        self._world = world
        self._times: Counter[str] = Counter()

    def run(self, step: Step, seen: list[Any], account: str) -> None:
        match step:
            case Say():
                self._say(step, seen, account)
            case Many(say=say, times=times):
                own = [list(seen) for _ in range(times)]
                for answers in own:
                    self._say(say, answers, account)
                seen.append(sorted(answers[-1] for answers in own))
            case Seq(steps=steps):
                for inner in steps:
                    self.run(inner, seen, account)
            case If(then=then, otherwise=otherwise):
                odd = int(digest(seen[-1:]), 16) % 2
                self.run(then if odd else otherwise, seen, account)
            case Par(branches=branches):
                parts: list[list[Any]] = [[] for _ in branches]
                for number, branch in enumerate(branches):
                    self.run(branch, parts[number], f"{account}/{len(seen)}.{number}")
                seen.append(parts)
            case _:
                raise AssertionError("what is left to chance has no oracle")

    def _say(self, step: Say, seen: list[Any], account: str) -> None:
        forgets = step.manner is Manner.FORGETS
        body: dict[str, Any] = {"name": step.name, "account": f"{account}!" if forgets else account}
        if step.context:
            body["context"] = digest(seen)
        if step.clock:
            body["at"] = f"it is 2026-01-01T10:00:00Z, trace {0:032x}"
        call = call_of(step, body)
        told = self._told(step, call, body["account"])
        if told.state is RowState.FAILED and step.kind is Kind.MODEL:
            told = self._told(step, call, body["account"])
        if not forgets:
            seen.append((told.state.value, told.text))

    def _told(self, step: Say, call: keys.Call, account: str) -> Told:
        key = keys.exact(call)
        self._times[key] += not step.clock
        times = self._times[key] or 1
        if step.kind is Kind.MODEL:
            return self._world.model(keys.masked(call), step.name, times)
        if step.kind is Kind.WAIT:
            return Told(state=RowState.DONE, text=f"yes {digest(key, times)}")
        if step.effect is Effect.READ:
            return self._world.read(account, step.name)
        deed = Deed(account=account, effect=step.effect, name=step.name, key=f"{key}{times}")
        return self._world.write(deed)
