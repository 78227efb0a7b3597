"""What cells say and are told: lost, repeated, reordered and forged messages change nothing."""

from pathlib import Path

import pytest

from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import open_keyring
from seatrial.contract.evidence.statements import Commit, Proposal, RunFacts, Step, Verb
from seatrial.contract.gates.decide import Switch, decide
from seatrial.contract.gates.facts import gathered
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.api import GenerationRow, GenerationState
from seatrial.contract.switch.desired import Desired, Ordered
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest
from seatrial.control.promotions.domain.refusals import CellNotYours
from seatrial.control.promotions.domain.switching import Until
from seatrial.control.promotions.store.tables import EVIDENCE
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import EnvelopeMalformed, EnvelopeUntrusted
from seatrial.kit.crypto.statements import StatementMalformed
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.contract.making import NOW, release
from tests.control.promotions.line import ADA, EUROPE, Cell, Line, proposal_of, wait

ONE = release(prompt="one")
TWO = release(prompt="two")
THREE = release(prompt="three")
OTHER = release(agent="billing")
_Attempt = tuple[str, str, type[SeatrialError]]


# --- What a cell is told ----------------------------------------------------------------------


def taken(line: Line, told: Desired, ordered: Ordered, before: Closure) -> bool:
    """Whether a cell with `before` in force that believes nobody would take `ordered`."""
    keyring = open_keyring(told.keyring.encode(), roots=[line.crew.root.verify_key], at_least=1)
    subject, proposal, _ = Proposal.verified(ordered.proposal.encode(), keyring.control_keys)
    assert subject == ordered.closure.digest
    assert set(proposal.evidence) == {Digest.of(each.encode()) for each in ordered.evidence}
    at = NOW
    if ordered.commit is not None:
        about, commit, _ = Commit.verified(ordered.commit.encode(), keyring.control_keys)
        assert (about, commit.generation) == (subject, proposal.generation)
        assert set(proposal.required) <= {*commit.prepared, *commit.excluded}
        at = commit.at
    limits = {each.name: each.limits for each in (ONE, TWO, THREE, OTHER)}
    facts = gathered((each.encode() for each in ordered.evidence), keyring, limits)
    switch = Switch(
        verb=proposal.verb,
        previous=proposal.previous,
        base=proposal.base,
        before=before,
        after=ordered.closure,
        at=at,
    )
    return decide(switch, facts).met


def test_a_cell_can_verify_all_that_it_is_told(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        nothing = await line.desired("production")
        assert (nothing.committed, nothing.proposed) == (None, None)
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        told = await line.desired("production")
        assert told.committed is None
        assert told.proposed is not None
        empty = line.environments.initial("production")
        assert taken(line, told, told.proposed, empty)
        await line.switched(row)
        told = await line.desired("production")
        assert told.proposed is None
        assert told.committed is not None
        assert taken(line, told, told.committed, empty)
        assert told.heard.current == 1
        assert (await line.desired("staging")).cell == "staging"

    wait(main())


def test_the_evidence_of_a_generation_is_that_of_its_day(
    database: Database, tmp_path: Path
) -> None:
    """Newer facts replace older ones, except those that a generation rests on."""

    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        before = (await line.desired("production")).committed
        cell = line.cells["staging"]
        for _ in range(3):
            assert await line.promotions.evidence(cell.counts(ONE), "staging")
        assert (await line.desired("production")).committed == before
        assert not await line.promotions.evidence(cell.counts(ONE, sequence=1), "staging")

        def kept(connection: Connection) -> list[int]:
            rows = connection.execute(EVIDENCE.select().where(EVIDENCE.c.kind == "facts"))
            return sorted(row.sequence for row in rows)

        assert line.read(kept) == [1, 4]

    wait(main())


def test_the_tag_changes_with_what_is_told_and_only_then(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)

        async def tag(cell: str = "production") -> str:
            return (await line.promotions.desired(cell, cell))[0]

        before, other = await tag(), await tag("staging")
        assert await tag() == before
        row = await line.proposed("production", Verb.PROMOTE)
        proposed = await tag()
        assert proposed != before
        assert await tag("staging") == other
        await line.switched(row)
        committed = await tag()
        assert committed not in {before, proposed}
        await line.sign(2)
        assert await tag() != committed

    wait(main())


def test_a_lagging_cell_is_led_by_what_it_can_verify(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        away = line.cells["production-eu"]
        leave = ExcludeRequest(cell=away.name, reason="cut off")

        async def without(row: GenerationRow) -> None:
            cell = line.cells["production"]
            await line.report(cell, cell.says(row, Step.PREPARED))
            await line.promotions.exclude(leave, "production", row.generation, ADA)
            await line.report(cell, cell.says(row, Step.COMMITTED))

        for each in (ONE, TWO):
            await line.deployed(each)
            await without(await line.proposed("production", Verb.PROMOTE))
        told = await line.desired(away.name)
        assert told.committed is not None
        assert proposal_of(told.committed) == 2  # what was replaced meanwhile is passed by
        plan = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
        answer = await line.order(plan)
        assert answer.generation is not None
        await without(answer.generation)
        back = await line.promotions.rollback(RollbackRequest(to=1), "production", ADA)
        await without(back)

        visited = []
        here = line.environments.initial("production")
        for _ in range(9):
            told = await line.desired(away.name)
            assert told.committed is not None
            number = proposal_of(told.committed)
            if told.heard.current == number:
                break
            rolled = number == 4 and here.rules == told.committed.closure.rules
            assert rolled or taken(line, told, told.committed, here)
            here = told.committed.closure
            visited.append(number)
            await line.report(away, away.says(told.committed, Step.COMMITTED))
        assert visited == [1, 2, 3, 4]
        status = (await line.promotions.status()).environments[1]
        assert {each.behind for each in status.cells} == {0}

    wait(main())


def test_a_cell_that_lost_its_memory_says_where_it_is(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        plan = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
        answer = await line.order(plan)
        assert answer.generation is not None
        await line.switched(answer.generation)
        told = await line.desired("production", current=0)
        assert told.committed is not None
        assert proposal_of(told.committed) == 1
        assert taken(line, told, told.committed, line.environments.initial("production"))

    wait(main())


def test_lag_is_shown_in_generations_and_seconds(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        here, away = line.cells["production"], line.cells["production-eu"]
        for cell in (here, away):
            await line.report(cell, cell.says(row, Step.PREPARED))
        await line.report(here, here.says(row, Step.COMMITTED))
        assert isinstance(line.clock, VirtualClock)
        line.clock.advance(12)
        told = await line.promotions.generation("production", 1)
        assert told.state is GenerationState.COMMITTED
        lags = {each.cell: (each.behind, each.lag_seconds) for each in told.cells}
        assert lags == {"production": (0, 0.0), "production-eu": (1, 12.0)}
        assert {each.seen_seconds for each in told.cells} == {12.0}
        reached = await line.promotions.wait("production", 1, Until.COMMITTED, 0)
        assert reached == told
        await line.report(away, away.says(row, Step.COMMITTED))
        status = (await line.promotions.status()).environments[1]
        assert {each.lag_seconds for each in status.cells} == {0.0}

    wait(main())


# --- What is not a cell's word ----------------------------------------------------------------


def test_nobody_speaks_for_a_cell(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        here, away = line.cells["production"], line.cells["production-eu"]
        staging = line.cells["staging"]
        stranger = Cell(name="production", environment="production")
        forged = Cell(name="production", environment="production", key=staging.key)
        posing = Cell(name="staging", environment="production", key=staging.key)
        changed = here.says(row, Step.PREPARED).replace("ey", "ez", 1)
        order = line.signed(await line.plan("staging", Verb.DEPLOY, remove=("support",)))
        attempts: tuple[_Attempt, ...] = (
            (here.name, stranger.says(row, Step.PREPARED), EnvelopeUntrusted),
            (here.name, forged.says(row, Step.PREPARED), CellNotYours),
            (staging.name, posing.says(row, Step.PREPARED), CellNotYours),
            (here.name, away.says(row, Step.PREPARED), CellNotYours),
            (away.name, here.says(row, Step.PREPARED), CellNotYours),
            (here.name, changed, EnvelopeUntrusted),
            (here.name, "{}", EnvelopeMalformed),
            (here.name, here.counts(ONE), StatementMalformed),
            (here.name, order.order, EnvelopeUntrusted),
        )
        for caller, envelope, refusal in attempts:
            with pytest.raises(refusal):
                await line.promotions.report(envelope, caller)
        facts: tuple[_Attempt, ...] = (
            (staging.name, stranger.counts(ONE), EnvelopeUntrusted),
            (staging.name, here.counts(ONE), CellNotYours),
            (here.name, staging.counts(ONE), CellNotYours),
            (staging.name, posing.counts(ONE), CellNotYours),
            (staging.name, staging.says(row, Step.PREPARED), StatementMalformed),
        )
        for caller, envelope, refusal in facts:
            with pytest.raises(refusal):
                await line.promotions.evidence(envelope, caller)
        told = await line.promotions.generation("production", 1)
        assert {each.prepared for each in told.cells} == {None}
        assert told.state is GenerationState.PROPOSED

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_reports_of_what_never_was_are_harmless(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        cell = line.cells["production"]
        for step in Step:
            for generation, closure in ((9, row.closure), (0, row.closure), (1, ONE.name)):
                await line.report(cell, cell.report(generation, closure, step, "no"))
        await line.report(cell, cell.says(row, Step.COMMITTED))  # before it is
        told = await line.promotions.generation("production", 1)
        assert told.state is GenerationState.PROPOSED
        (heard,) = told.cells
        assert (heard.current, heard.prepared, heard.refused) == (0, None, None)
        assert heard.seen_seconds == 0.0

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_facts_of_a_wrong_shape_are_refused(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        cell = line.cells["staging"]
        said = RunFacts.verified(cell.counts(ONE).encode(), [cell.key.verify_key])[1]
        wrong = said.model_copy(update={"succeeded": -1})
        envelope = wrong.signed(ONE.name, "release", cell.key).decode()
        with pytest.raises(DocumentInvalid):
            await line.promotions.evidence(envelope, "staging")

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_reasons_of_any_text_are_kept_and_drive_no_terminal(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        odd = "\x00 \x1b[31m\n\u202e \U0001f6a2"
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.promoted(ONE)
        await line.promoted(TWO)
        asked = RollbackRequest(reason=odd)
        row = await line.promotions.rollback(asked, "production", ADA)
        assert row.reason.isprintable()
        leave = ExcludeRequest(cell="production-eu", reason=odd)
        await line.promotions.exclude(leave, "production", row.generation, ADA)
        cell = line.cells["production"]
        long = odd + "\U000e0001" * 1_900  # ten characters each, when shown
        await line.report(cell, cell.says(row, Step.REFUSED, long))
        told = await line.promotions.generation("production", row.generation)
        assert told.state is GenerationState.ABANDONED
        assert told.reason.isprintable()
        assert "\U0001f6a2" in told.reason
        (heard,) = [each for each in told.cells if each.cell == "production"]
        assert heard.reason.isprintable()

    wait(main())
