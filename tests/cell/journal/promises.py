"""What must hold of every run, whatever it meets; the oracle is the run that met nothing."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from seatrial.cell.journal.domain.matching import Diverged, Finished
from seatrial.cell.journal.domain.rows import Effect, Kind, Mode, RowState
from tests.cell.journal.agents import AGENTS
from tests.cell.journal.direct import direct
from tests.cell.journal.engine import REAL, Broken, Death, Disk, Fate, Machine, Story, live
from tests.cell.journal.programs import Step, Taste, program
from tests.cell.journal.world import World

FAITHFUL = Taste()
"""Agents that do the same in each attempt, and whose parallel branches do not share calls."""
STRAYING = Taste(chance=True, shared=True)


def faithful(agent: Step, fate: Fate, rule: Any = REAL) -> Story:
    """A run of an agent that does the same in each attempt."""
    world = World()
    output = direct(agent, world)
    story = live(agent, fate, rule)
    _safe(story)
    _hold(isinstance(story.ending, Finished), f"it ended {story.ending}")
    _hold(story.output == output, "it says something else")
    _hold(_ledger(story.world) == _ledger(world), "other effects than without the crash")
    _hold(not story.diverged, "it is said to have diverged")
    unmet = [row for row in story.unmet if row.settled or row.binds]
    _hold(not unmet, "something recorded was not used")
    return story


def straying(agent: Step, fate: Fate, rule: Any = REAL) -> Story:
    """A run of an agent that does what it likes."""
    story = live(agent, fate, rule)
    _safe(story)
    if fate.resumes:
        _hold(isinstance(story.ending, Finished), f"it ended {story.ending}")
    else:
        _hold(isinstance(story.ending, Finished | Diverged), f"it ended {story.ending}")
    return story


def replayed(agent: Step, story: Story, mode: Mode, rng: random.Random, rule: Any = REAL) -> None:
    """A finished run once more, with nothing going out."""
    machine = _again(story, mode, rng, rule)
    machine.run(agent)
    _hold(machine.live == 0 and not machine.world.deeds, "something went out")
    _hold(isinstance(machine.ended, Finished), f"it ended {machine.ended}")
    _hold(machine.output == story.output, "it says something else")


def replayed_otherwise(
    other: Step, story: Story, mode: Mode, rng: random.Random, rule: Any = REAL
) -> None:
    """Another agent over the journal of a finished run: it may fail, and nothing goes out."""
    machine = _again(story, mode, rng, rule)
    machine.run(other)
    _hold(machine.live == 0 and not machine.world.deeds, "something went out")


def shadowed(agent: Step, story: Story, rng: random.Random, rule: Any = REAL) -> None:
    """The same agent in the shadow of a finished run: models are called, nothing else."""
    machine = _shadow(story, rng, rule)
    machine.run(agent)
    _hold(machine.output == story.output, "it says something else")
    _hold(machine.live == sum(machine.world.asked.values()), "more than models were called")


def shadowed_otherwise(other: Step, story: Story, rng: random.Random, rule: Any = REAL) -> None:
    """Another agent in the shadow of a finished run, which may read for itself, or may not."""
    machine = _shadow(story, rng, rule)
    machine.shadowed = bool(rng.randrange(2))
    machine.run(other)
    _hold(not machine.world.deeds, "a shadow wrote")
    asked = sum(machine.world.asked.values())
    _hold(machine.shadowed or machine.live == asked, "a shadow read what it may not")


def _again(story: Story, mode: Mode, rng: random.Random, rule: Any) -> Machine:
    return Machine(
        disk=Disk(log=list(story.disk.log)),
        world=World(),
        rng=random.Random(rng.getrandbits(32)),  # noqa: S311
        attempt=story.attempts + 1,
        rule=rule,
        mode=mode,
    )


def _shadow(story: Story, rng: random.Random, rule: Any) -> Machine:
    rows = [replace(row, borrowed=True) for row in story.disk.rows().values()]
    machine = Machine(
        disk=Disk(),
        world=World(),
        rng=random.Random(rng.getrandbits(32)),  # noqa: S311
        attempt=1,
        rule=rule,
        mode=Mode.SHADOW,
        borrowed=tuple(rows),
    )
    machine.told.update(story.disk.told())
    machine.bodies.update(story.disk.calls())
    return machine


def fate(rng: random.Random, *, impatient: float = 0.0, resumes: bool = False) -> Fate:
    """Up to three deaths."""
    deaths = tuple(
        (rng.randrange(1, 60), rng.choice((Death.KILL, Death.POWER)))
        for _ in range(rng.randrange(4))
    )
    return Fate(seed=rng.getrandbits(32), deaths=deaths, impatient=impatient, resumes=resumes)


def one_case(rng: random.Random, rule: Any = REAL) -> int:
    """An agent of each kind, each through a fate of its own and then in every mode.

    Returns:
        How often a machine died.
    """
    agent = program(rng, FAITHFUL) if rng.randrange(3) else rng.choice(list(AGENTS.values()))
    other = program(rng, STRAYING)
    met = fate(rng)
    story = faithful(agent, met, rule)
    mode = rng.choice((Mode.STRICT, Mode.SCRIPTED))
    replayed(agent, story, mode, rng, rule)
    replayed_otherwise(other, story, mode, rng, rule)
    shadowed(agent, story, rng, rule)
    shadowed_otherwise(other, story, rng, rule)
    strayed = fate(rng, impatient=rng.choice((0.0, 0.05)), resumes=rng.randrange(2) == 0)
    straying(other, strayed, rule)
    hurried = fate(rng, impatient=0.2, resumes=True)
    straying(agent, hurried, rule)
    return len(met.deaths) + len(strayed.deaths) + len(hurried.deaths)


def _safe(story: Story) -> None:
    deeds = Counter(deed.key for deed in story.world.deeds)
    _hold(max(deeds.values(), default=1) == 1, "an effect happened twice")
    rows = list(story.disk.rows().values())
    names = Counter((row.kind, row.key, row.occurrence) for row in rows)
    _hold(max(names.values(), default=1) == 1, "two rows are of one name")
    _hold(max(story.asked.values(), default=1) == 1, "a person was asked twice")
    known = {row.seq: row for row in rows}
    _hold(
        all(known[seq].effect is Effect.IRREVERSIBLE for seq in story.asked),
        "a person was asked what a system knows",
    )
    if isinstance(story.ending, Finished):
        _hold(not any(row.binds for row in story.unmet), "it ended away from a write of its own")
        writes = [row for row in rows if row.binds]
        _hold(all(row.state in _ENDED for row in writes), "a write is left in the air")
        recorded = {row.seq for row in writes if row.state is RowState.DONE}
        waits = {row.seq for row in writes if row.kind is Kind.WAIT}
        _hold(len(recorded - waits) == len(story.world.deeds), "the journal and the world differ")


_ENDED = frozenset((RowState.DONE, RowState.FAILED))


def _ledger(world: World) -> Counter[Any]:
    return Counter((deed.account, deed.effect, deed.name) for deed in world.deeds)


def _hold(promise: bool, broken: str) -> None:
    if not promise:
        raise Broken(broken)
