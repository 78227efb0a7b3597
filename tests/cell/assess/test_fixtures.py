"""Fixtures in a cell: what they are made of, which are proposed, and runs that rehearse one."""

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from seatrial.cell.assess.domain.fixtures import (
    FixtureKeyMissing,
    FixtureMisplaced,
    FixturesFull,
)
from seatrial.cell.assess.store import fixtures as store
from seatrial.cell.journal.domain.retention import Retention
from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain.refusals import RunStateConflict, RunUnknown
from seatrial.cell.runs.domain.values import Choice, Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.tools.service.reviews import Word
from seatrial.cell.vault.domain import SecretMissing
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.contract.runs.states import Outcome, RunState
from seatrial.data.fixtures.domain import (
    Expectation,
    Fixture,
    FixtureExpectsNothing,
    FixtureRefused,
    Masking,
    ToolCall,
)
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from seatrial.kit.transparency.service import entries
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import CLOCK, IDS, Calling, Cell, cell
from tests.cell.tools.world import ledger
from tests.servers.fixtures import BOTH

SOMEBODY = Caller(id="tok_p", name="p", tenant="", permissions=frozenset(CellPermission))
OF_ACME = Caller(id="tok_a", name="a", tenant="acme", permissions=frozenset(CellPermission))
HOLDS = ("succeeds",)

with_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def _each(calling: Calling) -> Any:
    return [await calling.call(name, **arguments) for name, arguments in calling.input]


async def _key(name: str) -> str:
    return name


async def rehearsed(here: Cell, fixture: Fixture, given: Any, **more: Any) -> Run:
    follows = await here.fixtures.give(fixture.model_dump(mode="json"), "support", None)
    started = await here.started(given, mode=Mode.FIXTURE, follows=follows, counted=False, **more)
    return await here.ended(started)


@in_a_loop
async def test_a_fixture_holds_every_turn_with_its_calls_in_order(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each, masking=_key) as here:
        await here.ended(await here.started([("look", {"order": "W1"})], session="s"))
        await here.ended(await here.started([("look", {"order": "W2"})], session="other"))
        last = await here.ended(await here.started([("pay", {"what": "a"})], session="s"))
        made = (await here.fixtures.make(last.id, HOLDS, SOMEBODY)).fixture
    assert made.messages == ([["look", {"order": "W1"}]], [["pay", {"what": "a"}]])
    assert [each.call for each in made.calls] == [
        ToolCall(tool="look", arguments={"order": "W1"}),
        ToolCall(tool="pay", arguments={"what": "a"}),
    ]
    assert made.release == str(last.release)
    assert made.said[-1] == last.output
    assert made.masking.key == "masking"


@with_sqlite
@in_a_loop
async def test_that_a_fixture_was_made_is_on_the_log_by_digests_alone(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each, masking=_key) as here:
        run = await here.ended(await here.started([("pay", {"what": "a"})]))
        made = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
        found = await database.read(lambda connection: list(entries(connection, 0, 100)))
    [entry] = [each for each in found if each.kind == "fixture.made"]
    assert (entry.subject, entry.actor) == (run.id, "tok_p")
    body = json.loads(entry.body)
    assert body.keys() == {"fixture", "rules", "key", "verdict"}
    assert body["fixture"] == str(made.digest)


@with_sqlite
@in_a_loop
async def test_a_run_on_a_fixture_is_answered_from_it_and_performs_nothing(
    database: Database, shop: Database
) -> None:
    calls = [("look", {"order": "W1"}), ("pay", {"what": "a"}), ("mail", {"what": "b"})]
    async with cell(database, shop, _each, masking=_key) as here:
        run = await here.ended(await here.started(calls))
        made = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
        sent = len(here.desk.seen)
        again = await rehearsed(here, made, calls)
        assert (again.state, again.output) == (RunState.SUCCEEDED, run.output)
        assert again.mode is Mode.FIXTURE
        assert len(here.desk.seen) == sent
        other = await rehearsed(here, made, [("pay", {"what": "z"}), ("fetch", {"what": "x"})])
        assert other.output == ["call_not_recorded", "call_not_recorded"]
        twice = await rehearsed(here, made, [("pay", {"what": "a"})] * 2)
        assert twice.output[1] == "call_not_recorded"
    assert ledger(shop) == ["a"]


@with_sqlite
@in_a_loop
async def test_one_call_in_two_turns_has_the_result_of_its_turn(
    database: Database, shop: Database
) -> None:
    pay, look = ("pay", {"what": "a"}), ("look", {"order": "W1"})
    async with cell(database, shop, _each, masking=_key) as here:
        await here.ended(await here.started([look, pay], session="s"))
        last = await here.ended(await here.started([look], session="s"))
        fixture = (await here.fixtures.make(last.id, HOLDS, SOMEBODY)).fixture
        told = fixture.model_dump(mode="json")
        told["calls"][0]["result"], told["calls"][2]["result"] = "before", "after"
        fixture = Fixture.model_validate(told)
        first = await rehearsed(here, fixture, [look, pay], session="r")
        second = await rehearsed(here, fixture, [look], session="r")
        third = await rehearsed(here, fixture, [look], session="r")
        apart = await rehearsed(here, fixture, [look], session="r2")
    assert (first.output[0], second.output[0]) == ("before", "after")
    assert (third.output[0], apart.output[0]) == ("call_not_recorded", "before")


@with_sqlite
@in_a_loop
async def test_what_a_person_said_of_an_action_is_part_of_the_recording(
    database: Database, shop: Database
) -> None:
    adjust = [("adjust", {"what": "b"})]
    async with cell(database, shop, _each, masking=_key) as here:
        made = []
        for approved in (True, False):
            run = await here.parked(await here.started(adjust))
            [asked] = await here.reviews.listed(tenant=None, limit=5)
            word = Word(by="tok_a", reason="" if approved else "too much")
            await here.reviews.decide(run.id, asked.question.seq, word, approved=approved)
            run = await here.ended(run)
            fixture = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
            again = await rehearsed(here, fixture, adjust)
            assert (again.state, again.output) == (RunState.SUCCEEDED, run.output)
            made.append(again.output)
        assert made[1] == ["action_rejected"]
        assert await here.reviews.listed(tenant=None, limit=5) == []
    assert ledger(shop) == ["b"]


@with_sqlite
@in_a_loop
async def test_in_a_rehearsal_a_timer_has_gone_off_and_no_connector_is_needed(
    database: Database, shop: Database
) -> None:
    async def waits(calling: Calling) -> Any:
        return [await calling.wait(seconds=3_600), await calling.call("lost", what="a")]

    async with cell(database, shop, waits, masking=_key) as here:
        fixture = Fixture.model_validate(
            {
                "run": "r", "release": "old", "messages": ["hello"], "expect": [
                    {"check": "called", "result": 7,
                     "call": {"tool": "lost", "arguments": {"what": "a"}}}],
                "masking": {"rules": "r", "key": None, "verdict": "v"},
            }
        )  # fmt: skip
        run = await rehearsed(here, fixture, "hello")
        assert run.state is RunState.SUCCEEDED, run.failure
        assert run.output[1] == 7
        rang = datetime.fromisoformat(run.output[0]["at"])
        assert run.ended is not None
        assert rang - run.created >= timedelta(hours=1) > run.ended - run.created
    assert ledger(shop) == []


@with_sqlite
@in_a_loop
async def test_what_cannot_become_a_fixture_is_refused(database: Database, shop: Database) -> None:
    async def missing(name: str) -> str:
        raise SecretMissing(environment="staging", name=name)

    async with cell(database, shop, _each, masking=missing) as here:
        make = here.fixtures.make
        with pytest.raises(RunUnknown):
            await make("run_" + "0" * 26, HOLDS, SOMEBODY)
        waiting = await here.parked(await here.started([("adjust", {"what": "b"})]))
        with pytest.raises(RunStateConflict):
            await make(waiting.id, HOLDS, SOMEBODY)
        run = await here.ended(await here.started([("pay", {"what": "a"})]))
        with pytest.raises(RunUnknown):
            await make(run.id, HOLDS, OF_ACME)
        with pytest.raises(FixtureKeyMissing):
            await make(run.id, HOLDS, SOMEBODY)
        with pytest.raises(FixtureRefused):
            await here.fixtures.give({"messages": []}, "support", None)
        await here.runs.abandon(waiting.id, Choice(by="tok_a", why=""))


@with_sqlite
@in_a_loop
async def test_a_fixture_is_tried_on_releases_of_its_agent_alone(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each, masking=_key) as here:
        run = await here.ended(await here.started([("pay", {"what": "a"})]))
        made = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
        with pytest.raises(FixtureMisplaced):
            await here.fixtures.give(made.model_dump(mode="json"), "sales", Digest.of(b""))


@in_a_loop
async def test_a_run_that_has_waited_becomes_a_fixture_too(
    database: Database, shop: Database
) -> None:
    async def waits(calling: Calling) -> Any:
        await calling.wait(seconds=0.05)
        return await calling.call("look", order="W1")

    async with cell(database, shop, waits, masking=_key) as here:
        run = await here.ended(await here.started("hello"))
        made = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
        assert [each.call.tool for each in made.calls] == ["look"]
        again = await rehearsed(here, made, "hello")
        assert (again.state, again.output) == (RunState.SUCCEEDED, run.output)


async def _hears(calling: Calling) -> Any:
    heard = [(await calling.wait(event="paid"))["cents"] for _ in range(calling.input)]
    return [*heard, await calling.call("look", order="W1")]


@in_a_loop
async def test_what_a_run_heard_from_outside_answers_its_rehearsal(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _hears, masking=_key) as here:
        run = await here.started(2)
        for cents in (500, 700):
            await here.parked(run)
            await here.runs.tell_event(run.id, "paid", {"cents": cents})
        run = await here.ended(run)
        made = (await here.fixtures.make(run.id, HOLDS, SOMEBODY)).fixture
        assert [(each.call.tool, each.result) for each in made.calls[:2]] == [
            ("event:paid", {"cents": 500}),
            ("event:paid", {"cents": 700}),
        ]
        again = await rehearsed(here, made, 2)
        assert (again.state, again.output) == (RunState.SUCCEEDED, run.output)
        [one, other] = [await rehearsed(here, made, 1, session="s") for _ in range(2)]
        assert (one.output[0], other.output[0]) == (500, 700)


@with_sqlite
@in_a_loop
async def test_a_wait_that_a_fixture_lacks_fails_as_a_call_that_it_lacks(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _hears, masking=_key) as here:
        quiet = await here.ended(await here.started(0))
        made = (await here.fixtures.make(quiet.id, HOLDS, SOMEBODY)).fixture
        run = await rehearsed(here, made, 1)
        assert run.failure is not None
        assert run.failure.message.startswith("wait_unanswered: The wait for 'event:paid'")
        [heard] = await here.fixtures.acted(run.id, SOMEBODY)
        assert (heard.tool, heard.code) == ("event:paid", "call_not_recorded")
        allowed = Expectation.parse('may_call event:paid -> {"cents": 9}')
        made = made.model_copy(update={"expect": (*made.expect, allowed)})
        run = await rehearsed(here, made, 1)
        assert run.output[0] == 9


@pytest.mark.parametrize("waits", ["", "waits"])
@pytest.mark.parametrize("kind", BOTH)
def test_a_rehearsal_that_dies_within_a_call_asks_nobody_and_is_answered_again(
    kind: str, waits: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cell.assess.kill_rehearsal", kind, waits],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures == {"kills": 2, "state": "succeeded", "output": ["mailed", "b"], "asked": 0}


def other(number: int) -> Fixture:
    """A fixture of its own, of some 300 bytes."""
    return Fixture(
        run=f"r{number}",
        release="old",
        masking=Masking(rules="r", key=None, verdict="v"),
        messages=("hello",),
        expect=(Expectation.parse("succeeds"),),
    )


async def given(here: Cell, number: int) -> str:
    """The digest of a fixture that was given."""
    return await here.fixtures.give(other(number).model_dump(mode="json"), "support", None)


async def aged(here: Cell, digest: str, days: float) -> None:
    """As if it had been given so many days ago."""
    at = CLOCK.now() - timedelta(days=days)
    await here.database.write(lambda connection: store.renew(connection, digest, at))


async def kept(here: Cell) -> list[str]:
    return [each.digest for each in await here.fixtures.held()]


@in_a_loop
async def test_a_fixture_goes_when_it_is_too_old_unless_a_run_needs_it_or_it_is_given_again(
    database: Database, shop: Database
) -> None:
    async def waits(_calling: Calling) -> Any:
        await asyncio.Event().wait()

    keeping = Retention(after=timedelta(days=3))
    async with cell(database, shop, waits, keeping=keeping) as here:
        needed, again, gone, young = [await given(here, n) for n in range(4)]
        run = await here.started(mode=Mode.FIXTURE, follows=needed, counted=False)
        for digest, days in ((needed, 9), (again, 8), (gone, 7), (young, 2)):
            await aged(here, digest, days)
        assert [each.digest for each in await here.fixtures.held() if each.needed] == [needed]
        await given(here, 1)
        await here.fixtures.sweep()
        assert await kept(here) == [again, young, needed]
        await here.runs.cancel(run.id)
        await here.fixtures.sweep()
        assert await kept(here) == [again, young]


@with_sqlite
@in_a_loop
async def test_above_the_ceiling_the_fixture_goes_that_was_given_longest_ago(
    database: Database, shop: Database
) -> None:
    size = len(canonical(other(0).model_dump(mode="json")))
    keeping = Retention(ceiling=2 * size)
    async with cell(database, shop, _each, keeping=keeping) as here:
        first, second = [await given(here, n) for n in (0, 1)]
        await aged(here, first, 2)
        await aged(here, second, 1)
        third = await given(here, 2)
        assert await kept(here) == [third, second]
        fourth = await given(here, 3)
        assert await kept(here) == [fourth, third]
        with pytest.raises(FixturesFull):  # both were given just now
            await given(here, 4)
        assert await kept(here) == [fourth, third]


async def _fails(calling: Calling) -> Any:
    if calling.input == "bad":
        raise ValueError("no")
    return "ok"


@in_a_loop
async def test_runs_that_went_wrong_are_proposed_until_they_have_a_fixture(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _fails, masking=_key) as here:
        judge = Judge(database=database, clock=CLOCK, ids=IDS, changed=lambda _release: None)

        async def proposed(**more: Any) -> list[tuple[str, str]]:
            asked: dict[str, Any] = {"agent": None, "after": None, "limit": 50} | more
            found, _ = await here.fixtures.proposed(SOMEBODY, **asked)
            return [(each.run.id, each.reason) for each in found]

        failed, good, escalated, resolved = [
            await here.ended(await here.started(given)) for given in ("bad", "a", "b", "c")
        ]
        await judge.outcome(escalated.id, Outcome.ESCALATED, note="", by="tok_a")
        await judge.outcome(resolved.id, Outcome.RESOLVED, note="", by="tok_a")
        wrong = [(escalated.id, "outcome: escalated"), (failed.id, "failed: agent_raised")]
        assert await proposed() == wrong
        assert await proposed(agent="sales") == []
        assert await proposed(limit=1) == wrong[:1]
        assert await proposed(after=escalated.id) == wrong[1:]
        with pytest.raises(FixtureExpectsNothing):
            await here.fixtures.make(escalated.id, (), SOMEBODY)
        made = await here.fixtures.make(failed.id, (), SOMEBODY)
        assert [each.check for each in made.fixture.expect] == ["succeeds"]
        assert await proposed() == wrong[:1]
        rehearsal = await rehearsed(here, made.fixture, "bad")
        assert rehearsal.state is RunState.FAILED
        assert await proposed() == wrong[:1]
        assert good.state is RunState.SUCCEEDED
