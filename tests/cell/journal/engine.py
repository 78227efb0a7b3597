"""A cell, an agent and its client in one machine that takes one small step at a time.

Each generator below is something that runs beside others; each `yield` a place where the machine
may go on with another one, or be killed. `yield` gives either None or a condition to wait for.
"""

import enum
import random
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from seatrial.cell.journal.domain import book as real_book
from seatrial.cell.journal.domain import keys, matching
from seatrial.cell.journal.domain.matching import (
    Answer,
    AskWhatHappened,
    Attach,
    Diverged,
    FindMarker,
    Finished,
    GoLive,
    HoldWrite,
    NeedsPerson,
    Park,
    Redo,
    Refuse,
    RetrySameKey,
    Sink,
    Wait,
)
from seatrial.cell.journal.domain.rows import (
    Arrival,
    Claim,
    Effect,
    Facts,
    Kind,
    Mode,
    Row,
    RowState,
)
from tests.cell.journal.direct import call_of
from tests.cell.journal.programs import Dice, If, Manner, Many, Par, Say, Seq, Step
from tests.cell.journal.world import Deed, Told, World, digest

Process: TypeAlias = Generator[Callable[[], bool] | None, None, None]


@dataclass(frozen=True)
class Rule:
    """The rule, or a mutant of it."""

    decide: Any
    finish: Any
    Book: Any


REAL = Rule(decide=matching.decide, finish=matching.finish, Book=real_book.Book)


class Death(enum.StrEnum):
    """How a machine ends before it is done."""

    KILL = "kill"
    POWER = "power"
    """What was committed lazily since the last full commit may be gone, from the newest on."""


@dataclass
class Disk:
    """What outlives a machine."""

    log: list[tuple[Row, Told | None, Any, bool]] = field(default_factory=list)

    def commit(self, row: Row, told: Told | None, call: Any, *, full: bool) -> None:
        self.log.append((row, told, call, full))

    def lose_power(self, rng: random.Random) -> None:
        synced = max((place + 1 for place, entry in enumerate(self.log) if entry[3]), default=0)
        del self.log[rng.randint(synced, len(self.log)) :]

    def rows(self) -> dict[int, Row]:
        return {row.seq: row for row, *_ in self.log}

    def told(self) -> dict[int, Told]:
        return {row.seq: told for row, told, *_ in self.log if told is not None}

    def calls(self) -> dict[int, Any]:
        return {row.seq: call for row, _, call, _ in self.log}


@dataclass(eq=False)
class Running:
    """A process, and what it waits for."""

    process: Process
    until: Callable[[], bool] | None = None


@dataclass
class Connection:
    """A client's wait for one answer."""

    handled: bool = False
    closed: bool = False
    noticed: bool = False
    told: Told | None = None


class Broken(AssertionError):
    """A promise is broken."""


@dataclass
class Machine:
    """One attempt."""

    disk: Disk
    world: World
    rng: random.Random
    attempt: int
    rule: Any = REAL
    mode: Mode = Mode.LIVE
    waived: frozenset[int] = frozenset()
    borrowed: tuple[Row, ...] = ()
    impatient: float = 0.0
    shadowed: bool = False
    asked: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.before = dict(self.disk.rows())
        rows = [*self.before.values(), *self.borrowed]
        self.book = self.rule.Book(attempt=self.attempt, rows=rows, waived=self.waived)
        self.told = self.disk.told()
        self.met: set[int] = set()
        self.bodies = self.disk.calls()
        self.processes: list[Running] = []
        self.waiting: dict[int, matching.Decision] = {}
        self.over: set[int] = set()
        self.performing: dict[int, Process] = {}
        self.steps = 0
        self.version = 0
        self.live = 0
        self.quiet = False
        self.diverged = False
        self.ended: matching.Decision | matching.Ending | None = None
        self.output: object = None
        self._ticks = 0
        self._connections = 0

    # The agent, and its client

    def run(self, program: Step, die_at: int | None = None) -> bool:
        """Run until the agent, or its segment, has ended; false if the machine died first."""
        self.spawn(self._agent(program))
        while self.processes and not isinstance(self.ended, Finished):
            if die_at is not None and self.steps >= die_at:
                return False
            self.steps += 1
            self._step()
        if self.ended is None:
            raise Broken("nothing moves and nothing has ended")
        return True

    def _step(self) -> None:
        able = [entry for entry in self.processes if entry.until is None or entry.until()]
        if not able:
            self._lose_patience()
            return
        if self.impatient and self.waiting and self.rng.random() < self.impatient:
            self._lose_patience(early=True)
            return
        entry = self.rng.choice(able)
        try:
            until = next(entry.process)
        except StopIteration:
            self.processes.remove(entry)
        else:
            entry.until = until

    def _lose_patience(self, *, early: bool = False) -> None:
        if self.ended is not None:
            self.processes.clear()
            return
        waits = [place for place, why in self.waiting.items() if isinstance(why, Wait)]
        fresh = [place for place in waits if place not in self.over]
        if fresh:
            self.over.add(min(fresh))
        elif not early and any(isinstance(why, HoldWrite) for why in self.waiting.values()):
            if self.quiet:
                raise Broken("a write is held although the agent is quiet")
            self.quiet = True
        elif not early:
            raise Broken(f"deadlock: {self.waiting}")
        self.version += 1

    def _begin(
        self, row: Row, step: Say, body: dict[str, Any], call: keys.Call, **how: bool
    ) -> None:
        process = self._perform(row, step, body, call, **how)
        self.performing[row.seq] = process
        self.spawn(process)

    def spawn(self, process: Process) -> None:
        self.processes.append(Running(process))

    def _agent(self, program: Step) -> Process:
        seen: list[Any] = []
        yield from self._run(program, seen, "")
        while self.ended is None:
            ending = self.rule.finish(self.book)
            if not isinstance(ending, Wait):
                self.ended, self.output = ending, seen
                return
            yield self._change()

    def _run(self, step: Step, seen: list[Any], account: str) -> Process:
        match step:
            case Say():
                yield from self._say(step, seen, account)
            case Many(say=say, times=times):
                yield from self._many(say, times, seen, account)
            case Seq(steps=steps):
                for inner in steps:
                    yield from self._run(inner, seen, account)
            case If(then=then, otherwise=otherwise):
                odd = int(digest(seen[-1:]), 16) % 2
                yield from self._run(then if odd else otherwise, seen, account)
            case Dice(sides=sides):
                yield from self._run(self.rng.choice(sides), seen, account)
            case Par(branches=branches, shared=shared):
                yield from self._par(branches, seen, account, shared=shared)

    def _par(
        self, branches: tuple[Step, ...], seen: list[Any], account: str, *, shared: bool
    ) -> Process:
        own: list[list[Any]] = [[] for _ in branches]
        place = len(seen)
        left = [len(branches)]

        def branch(number: int) -> Process:
            yield None
            name = account if shared else f"{account}/{place}.{number}"
            yield from self._run(branches[number], own[number], name)
            left[0] -= 1

        for number in range(len(branches)):
            self.spawn(branch(number))
        yield lambda: not left[0]
        seen.append(own)

    def _many(self, step: Say, times: int, seen: list[Any], account: str) -> Process:
        own: list[list[Any]] = [list(seen) for _ in range(times)]
        left = [times]

        def one(number: int) -> Process:
            yield None
            yield from self._say(step, own[number], account)
            left[0] -= 1

        for number in range(times):
            self.spawn(one(number))
        yield lambda: not left[0]
        seen.append(sorted(answers[-1] for answers in own))

    def _say(self, step: Say, seen: list[Any], account: str) -> Process:
        self._ticks += 1
        forgets = step.manner is Manner.FORGETS
        body = {"name": step.name, "account": f"{account}!" if forgets else account}
        if step.context:
            body["context"] = digest(seen)
        if step.clock:
            stamp = f"2026-01-{self.attempt % 28 + 1:02d}T10:{self._ticks % 60:02d}:00Z"
            coined = f"{self.rng.getrandbits(128):032x}"
            body["at"] = f"it is {stamp}, trace {coined}"
        if forgets:
            sent = self._send(step, body, retry=False)
            yield lambda: sent.handled
            return
        told = yield from self._sent(step, body)
        if told.state is RowState.FAILED and step.kind is Kind.MODEL:
            told = yield from self._sent(step, body, retry=True)
        seen.append((told.state.value, told.text))

    def _sent(
        self, step: Say, body: dict[str, Any], *, retry: bool = False
    ) -> Generator[Any, None, Told]:
        first = self._send(step, body, retry=retry)
        match step.manner:
            case Manner.DROPS | Manner.REPEATS:
                yield lambda: first.handled
                if first.told is None:
                    first.closed = True
                    if step.manner is Manner.REPEATS or step.effect is Effect.READ:
                        yield lambda: first.noticed
                    flagged = step.manner is Manner.REPEATS
                    first = self._send(step, body, retry=flagged or retry)
            case Manner.OVERTAKES:
                yield lambda: first.handled
                if first.told is None:
                    first.closed = True
                    first = self._send(step, body, retry=True)
            case Manner.UNHEARD:
                yield lambda: first.told is not None
                if first.told is not None and first.told.state is RowState.DONE:
                    first = self._send(step, body, retry=True)
        yield lambda: first.told is not None
        assert first.told is not None
        return first.told

    def _send(self, step: Say, body: dict[str, Any], *, retry: bool) -> Connection:
        connection = Connection()
        self._connections += 1
        self.spawn(self._door(step, body, connection, self._connections, retry=retry))
        return connection

    # The cell

    def _door(
        self, step: Say, body: dict[str, Any], connection: Connection, number: int, *, retry: bool
    ) -> Process:
        yield None
        call = call_of(step, body)
        arrival = self.book.receive(
            Arrival(
                kind=step.kind,
                effect=step.effect,
                key=keys.exact(call),
                retry=retry,
                shadowed=self.shadowed,
            )
        )
        connection.handled = True
        waits = False
        while True:
            if connection.closed:
                connection.noticed = True
                if waits:
                    self.book.go(arrival, dropped=True)
                return
            if self.ended is not None:
                yield lambda: False
            if self.book.wants_mask(arrival):
                self.book.learn_masks(lambda row: keys.masked(self.bodies[row.seq][1]))
                arrival = replace(arrival, mask=keys.masked(call))
            facts = Facts(mode=self.mode, quiet=self.quiet, diverged=self.diverged)
            decision = self.rule.decide(
                self.book, replace(arrival, waited=number in self.over), facts
            )
            if waits:
                self.book.go(arrival)
            if not isinstance(decision, Wait | HoldWrite):
                break
            self.book.wait(arrival)
            waits = True
            self.waiting[number] = decision
            yield self._change(connection)
            self.waiting.pop(number, None)
        self.version += 1
        yield from self._carry_out(decision, step, body, call, connection, arrival)

    def _carry_out(  # noqa: C901 - one case for each decision
        self,
        decision: Any,
        step: Say,
        body: dict[str, Any],
        call: keys.Call,
        line: Connection,
        arrival: Arrival,
    ) -> Process:
        match decision:
            case Diverged():
                self.ended = self.ended or decision
                yield lambda: False
            case NeedsPerson(row=row, asked=asked):
                self._open(row, arrival)
                if not asked:
                    self._need(row)
                self.ended = self.ended or decision
                yield lambda: False
            case Park(row=row):
                self._open(row, arrival)
                self.ended = self.ended or decision
                yield lambda: False
            case Refuse():
                line.told = Told(state=RowState.FAILED, text="refused")
            case Sink(row=row):
                told = Told(state=RowState.DONE, text="sunk")
                self._open(row, arrival)
                self._settle(row, told, (body, call), full=False)
                yield from self._deliver(row.seq, step, line)
            case GoLive(row=row, diverged=diverged):
                self._check(row)
                self.diverged = self.diverged or diverged
                self._open(row, arrival)
                self._begin(row, step, body, call, look=False)
                yield from self._deliver(row.seq, step, line)
            case Redo(row=row) | RetrySameKey(row=row):
                self._open(row, arrival)
                self._begin(row, step, body, call, look=False)
                yield from self._deliver(row.seq, step, line)
            case AskWhatHappened(row=row) | FindMarker(row=row):
                self._open(row, arrival)
                self._begin(row, step, body, call, look=True)
                yield from self._deliver(row.seq, step, line)
            case Attach(row=row) | Answer(row=row):
                if row.borrowed and row.kind is Kind.MODEL:
                    raise Broken("a model's answer is borrowed")
                self._open(row, arrival)
                yield from self._deliver(row.seq, step, line)

    def _open(self, row: Row, arrival: Arrival) -> None:
        self.book.open(row, arrival)
        self.met.add(row.seq)

    def _check(self, row: Row) -> None:
        """No new write while a recorded one is not claimed; told without the book's help."""
        if not row.binds:
            return
        left = [
            old.seq
            for old in self.before.values()
            if old.binds and old.seq not in self.met and old.seq not in self.waived
        ]
        if left:
            raise Broken(f"wrote {row.seq} while {left} are unclaimed")

    def _perform(
        self, row: Row, step: Say, body: dict[str, Any], call: keys.Call, *, look: bool
    ) -> Process:
        yield None
        if row.attempt != self.attempt or row.state is not RowState.INTENT:
            raise Broken("it goes out as no intent of this attempt")
        self.disk.commit(row, None, (body, call), full=row.binds)
        yield None
        if step.kind is Kind.WAIT:
            self.asked[row.seq] += 1
            self.ended = self.ended or Park(row=row)
            return
        told = self.world.happened(_effect(row)) if look else None
        if told is None:
            told = self._happen(row, step, body, call)
        yield None
        self._settle(row, told, (body, call), full=row.effect is Effect.IRREVERSIBLE)

    def _happen(self, row: Row, step: Say, body: dict[str, Any], call: keys.Call) -> Told:
        self.live += 1
        if step.kind is Kind.MODEL:
            return self.world.model(keys.masked(call), step.name, row.occurrence)
        if not row.binds:
            return self.world.read(body["account"], step.name)
        if self.mode is not Mode.LIVE:
            raise Broken("a write in a mode that writes nowhere")
        return self.world.write(
            Deed(account=body["account"], effect=row.effect, name=step.name, key=_effect(row))
        )

    def _settle(self, row: Row, told: Told, call: Any, *, full: bool) -> None:
        settled = self.book.settle(row.seq, told.state, digest(told.text))
        self.told[row.seq] = told
        self.disk.commit(settled, told, call, full=full)
        self.version += 1

    def _need(self, row: Row) -> None:
        if row.effect is not Effect.IRREVERSIBLE:
            raise Broken("a person is asked about what a system knows")
        unknown = self.book.settle(row.seq, RowState.UNKNOWN)
        self.asked[row.seq] += 1
        self.disk.commit(unknown, None, self.bodies[row.seq], full=True)

    def _deliver(self, seq: int, step: Say, line: Connection) -> Process:
        yield lambda: line.closed or self.book[seq].settled
        for _ in range(1 + step.stream):
            if line.closed:
                self._lose(seq, line)
                return
            yield None
        if line.closed:
            self._lose(seq, line)
        else:
            self.book.deliver(seq)
            line.told = self.told[seq]
        self.version += 1

    def _lose(self, seq: int, line: Connection) -> None:
        """The cell may go on with what was asked for nobody, or cut it, unless it is a write."""
        line.noticed = True
        row = self.book[seq]
        self.book.lose(seq)
        self.version += 1
        alone = self.book.claim_of(row) is Claim.LOST
        if alone and not row.settled and not row.binds and self.rng.randrange(2):
            process = self.performing.pop(seq)
            self.processes = [entry for entry in self.processes if entry.process is not process]
            self.book.give_up(seq)

    def _change(self, line: Connection | None = None) -> Callable[[], bool]:
        version = self.version
        return lambda: self.version != version or (line is not None and line.closed)


def _effect(row: Row) -> str:
    return keys.effect_key("run_a", "do", row.key, row.occurrence)


@dataclass(kw_only=True)
class Fate:
    """What a run meets.

    Attributes:
        seed: of the order in which things happen.
        deaths: after how many steps each attempt dies, and how.
        impatient: how likely a step is to end somebody's patience too early.
        resumes: a person lets a diverged run go on.
    """

    seed: int
    deaths: tuple[tuple[int, Death], ...] = ()
    impatient: float = 0.0
    resumes: bool = False


@dataclass(kw_only=True)
class Story:
    """What became of a run.

    Attributes:
        world: with its ledger.
        disk: with its journal.
        ending: finished, or diverged.
        output: of the agent.
        attempts: how many there were.
        steps: of the last attempt.
        asked: how often a person was asked, by row.
        diverged: an attempt was marked so.
        unmet: rows of earlier attempts, not waived, to which the last one did not come back.
    """

    world: World
    disk: Disk
    ending: object
    output: object
    attempts: int
    steps: int
    asked: Counter[int]
    diverged: bool
    unmet: list[Row]


def live(program: Step, fate: Fate, rule: Any = REAL) -> Story:
    """Run `program` through its fate, with people who answer what they are asked."""
    disk, world, asked = Disk(), World(), Counter[int]()
    rng = random.Random(fate.seed)  # noqa: S311
    deaths, waived, diverged = list(fate.deaths), frozenset[int](), False
    for attempt in range(1, 200):
        machine = Machine(
            disk=disk,
            world=world,
            rng=random.Random(rng.getrandbits(64)),  # noqa: S311
            attempt=attempt,
            rule=rule,
            waived=waived,
            impatient=fate.impatient,
            asked=asked,
        )
        at, death = deaths.pop(0) if deaths else (None, Death.KILL)
        lived = machine.run(program, at)
        diverged = diverged or machine.diverged
        if not lived:
            if death is Death.POWER:
                disk.lose_power(rng)
            continue
        match machine.ended:
            case Diverged(blockers=blockers) if fate.resumes:
                if waived & {row.seq for row in blockers}:
                    raise Broken("a person is asked twice what to do about a write")
                waived |= {row.seq for row in blockers}
                _people(disk, world, waived, asked)
                continue
            case NeedsPerson() | Park():
                if rng.randrange(4) == 0:
                    continue  # somebody starts it again although nobody has answered
                _people(disk, world, waived, asked)
                continue
        unmet = [row for seq, row in machine.before.items() if seq not in machine.met | waived]
        return Story(
            world=world,
            disk=disk,
            ending=machine.ended,
            output=machine.output,
            attempts=attempt,
            steps=machine.steps,
            asked=asked,
            diverged=diverged,
            unmet=unmet,
        )
    raise Broken("it never ends")


def _people(disk: Disk, world: World, waived: frozenset[int], asked: Counter[int]) -> None:
    """Answer every question, truly, and say of each waived write what became of it."""
    calls = disk.calls()
    for row in disk.rows().values():
        told = world.happened(_effect(row))
        if row.kind is Kind.WAIT and row.state is RowState.INTENT:
            told = Told(state=RowState.DONE, text=f"yes {digest(row.key, row.occurrence)}")
            state = RowState.DONE
        elif row.seq in waived and not row.settled:
            state = RowState.FAILED if told is None else told.state
        elif row.state is RowState.UNKNOWN:
            state = RowState.CLEARED if told is None else told.state
            if told is None:
                del asked[row.seq]  # what is tried anew may have to be asked anew
        else:
            continue
        text = "" if told is None else told.text
        settled = replace(row, state=state, answer=digest(text))
        disk.commit(settled, told or Told(state=state, text=text), calls[row.seq], full=True)


__all__ = ["Broken", "Death", "Fate", "Finished", "Machine", "Story", "live"]
