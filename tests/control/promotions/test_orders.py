"""What is planned, signed and ordered: what gets through, what is kept, and each refusal."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.contract.environments.profiles import EnvironmentUnknown
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Order, Step, Verb
from seatrial.contract.releases.closure import Active
from seatrial.contract.releases.release import ReleaseNameMalformed
from seatrial.contract.switch.api import GenerationState, OrderRequest, Permission
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest
from seatrial.control.catalog.domain import ReleaseOfOther, ReleaseUnknown
from seatrial.control.environments.domain import KeyringMissing
from seatrial.control.identity.domain import PermissionMissing
from seatrial.control.promotions.domain.refusals import (
    AgentNotThere,
    ControlNotListed,
    DeployRefused,
    GenerationSettled,
    GenerationUnknown,
    NoCell,
    NothingToChange,
    NotLiveInSource,
    OrderLapsed,
    OrderMismatched,
    OrderStale,
    PromoteRefused,
    RulesUnknown,
    SwitchUnderWay,
)
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import Envelope, EnvelopeUntrusted
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.contract.making import release
from tests.control.promotions.line import ADA, EUROPE, Line, wait

ONE = release(prompt="one")
TWO = release(prompt="two")
OTHER = release(agent="billing")
Act = Callable[[Line], Coroutine[Any, Any, object]]


def advance(line: Line, seconds: float) -> None:
    assert isinstance(line.clock, VirtualClock)
    line.clock.advance(seconds)


# --- What gets through ------------------------------------------------------------------------


def test_an_agent_travels_to_production_and_back(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        two = await line.promoted(TWO)
        assert (two.generation, two.agents) == (2, {"support": "support@2"})
        back = await line.switched(await line.proposed("production", Verb.ROLLBACK))
        assert (back.generation, back.agents) == (3, {"support": "support@1"})
        assert back.state is GenerationState.COMMITTED
        assert back.by == "Ada"
        status = await line.promotions.status()
        assert [each.environment for each in status.environments] == ["staging", "production"]
        assert {each.current.generation for each in status.environments if each.current} == {2, 3}
        assert line.read(line.promotions.active) == {
            ONE.name: ("production",),
            TWO.name: ("staging",),
        }
        assert line.logged() == ["switch.proposed", "switch.committed"] * 5

    wait(main())


def test_a_plan_tells_what_changes_and_what_is_missing(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        name = await line.hand_in(TWO)
        plan = await line.plan("staging", Verb.DEPLOY, agents={"support": name})
        (change,) = plan.changes
        assert (change.agent, change.before, change.after) == ("support", "support@1", "support@2")
        assert change.components == {"prompt/system": "changed"}
        assert plan.cells == ("staging",)
        assert not plan.met
        unmet = {row.gate for row in plan.gates if row.standing != "met"}
        assert unmet == {"signed_order"}
        gone = await line.plan("staging", Verb.DEPLOY, remove=("support",))
        assert gone.closure.agents == {}
        assert [each.after for each in gone.changes] == [""]

    wait(main())


def test_a_promotion_takes_what_differs_or_what_is_named(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        await line.deployed(OTHER)

        async def planned(**given: Any) -> dict[str, str]:
            plan = await line.plan("production", Verb.PROMOTE, **given)
            return {slug: each.name for slug, each in plan.closure.agents.items()}

        assert await planned() == {"billing": "billing@1", "support": "support@2"}
        assert await planned(agents={"support": ""}) == {"support": "support@2"}
        assert await planned(agents={"billing": str(OTHER.name)}) == {
            "billing": "billing@1",
            "support": "support@1",
        }
        with pytest.raises(NothingToChange):
            await planned(agents={"support": "support@1"})  # live in the source once

    wait(main())


def test_rules_change_by_an_order_under_the_old_rules(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        plan = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
        assert plan.closure.agents.keys() == {"support"}
        answer = await line.order(plan)
        assert answer.generation is not None
        await line.switched(answer.generation)
        await line.deployed(TWO)
        plan = await line.plan("production", Verb.PROMOTE)
        unmet = {row.gate for row in plan.gates if row.standing != "met"}
        assert unmet == {"signed_order", "soak", "limits_set"}
        assert not (await line.order(plan)).met

    wait(main())


def test_signatures_collect_until_the_gate_is_met(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, profile=Profile.TEAM).start()
        await line.deployed(ONE)
        plan = await line.plan("production", Verb.PROMOTE)
        answer = await line.order(plan)  # the author's own signature does not count
        assert not answer.met
        assert answer.generation is None
        unmet = [row for row in answer.gates if row.gate == "signed_order"]
        assert unmet[0].standing == "unmet"
        assert (await line.order(plan, line.crew.releaser)).gates != answer.gates
        again = await line.plan("production", Verb.PROMOTE)
        assert {row.standing for row in again.gates if row.gate == "signed_order"} == {"met"}
        assert line.logged()[-2:] == ["order.kept", "order.kept"]

    wait(main())


def test_an_order_sent_twice_is_one_generation(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        request = line.signed(await line.plan("production", Verb.PROMOTE))
        first = await line.promotions.order(request, "production", ADA)
        again = await line.promotions.order(request, "production", ADA)
        assert first.generation is not None
        assert again.generation is not None
        assert first.generation.generation == again.generation.generation == 1
        await line.switched(first.generation)
        # What was signed is spent, under another spelling of its envelope too.
        spelt = Envelope.parse(request.order.encode()).signed_also_by(line.crew.releaser)
        other = request.model_copy(update={"order": spelt.encoded().decode()})
        late = await line.promotions.order(other, "production", ADA)
        assert late.generation is not None
        assert late.generation.generation == 1
        assert len(await line.promotions.generations("production", 10)) == 1

    wait(main())


def test_an_order_that_was_carried_out_does_not_come_back_after_a_rollback(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        request = line.signed(await line.plan("production", Verb.PROMOTE))
        answer = await line.promotions.order(request, "production", ADA)
        assert answer.generation is not None
        await line.switched(answer.generation)
        await line.switched(await line.proposed("production", Verb.ROLLBACK))
        # Base, rules and time fit again; the order was for one switch all the same.
        late = await line.promotions.order(request, "production", ADA)
        assert late.generation is not None
        assert late.generation.generation == 2
        plan = await line.plan("production", Verb.PROMOTE)
        assert {row.standing for row in plan.gates if row.gate == "signed_order"} == {"unmet"}
        status = await line.promotions.status()
        assert [each.proposed for each in status.environments] == [None, None]

    wait(main())


def test_an_order_counts_again_when_its_generation_was_abandoned(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        request = line.signed(await line.plan("production", Verb.PROMOTE))
        first = await line.promotions.order(request, "production", ADA)
        assert first.generation is not None
        cell = line.cells["production"]
        await line.report(cell, cell.says(first.generation, Step.REFUSED, "no room"))
        second = await line.promotions.order(request, "production", ADA)
        assert second.generation is not None
        assert second.generation.generation == 2
        told = await line.promotions.generation("production", 1)
        assert told.state is GenerationState.ABANDONED
        assert "production refused it: no room" in told.reason
        assert line.logged()[-3:] == ["switch.proposed", "switch.abandoned", "switch.proposed"]

    wait(main())


def test_a_rollback_needs_no_signature_and_cuts_in(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.promoted(TWO)
        await line.deployed(OTHER)
        await line.proposed("production", Verb.PROMOTE)
        row = await line.promotions.rollback(RollbackRequest(reason="bad"), "production", ADA)
        assert (row.generation, row.agents, row.by) == (4, {"support": "support@1"}, "Ada")
        assert (await line.promotions.generation("production", 3)).reason == (
            "a rollback was ordered instead"
        )
        await line.switched(row)
        forth = await line.promotions.rollback(RollbackRequest(to=2), "production", ADA)
        assert forth.agents == {"support": "support@2"}

    wait(main())


def test_a_rollback_keeps_the_rules_in_force(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.promoted(TWO)
        plan = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
        answer = await line.order(plan)
        assert answer.generation is not None
        await line.switched(answer.generation)
        row = await line.promotions.rollback(RollbackRequest(), "production", ADA)
        assert row.agents == {"support": "support@1"}
        told = await line.desired("production")
        assert told.proposed is not None
        assert told.proposed.closure.rules == plan.closure.rules

    wait(main())


def test_a_cell_can_be_left_out_by_name_and_the_log_tells(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        assert row.required == ("production", "production-eu")
        cell = line.cells["production"]
        await line.report(cell, cell.says(row, Step.PREPARED))
        request = ExcludeRequest(cell="production-eu", reason="cut off")
        row = await line.promotions.exclude(request, "production", 1, ADA)
        assert row.state is GenerationState.COMMITTED
        assert (row.required, row.excluded) == (("production",), ("production-eu",))
        told = [each for each in line.log() if each.kind == "switch.excluded"]
        assert "cut off" in told[0].body
        with pytest.raises(GenerationSettled):
            await line.promotions.exclude(request, "production", 1, ADA)

    wait(main())


def test_a_cell_left_out_from_the_start_is_not_waited_for(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        request = line.signed(await line.plan("production", Verb.PROMOTE))
        request = request.model_copy(update={"exclude": ("production-eu",)})
        answer = await line.promotions.order(request, "production", ADA)
        assert answer.generation is not None
        assert answer.generation.excluded == ("production-eu",)
        cell = line.cells["production"]
        await line.report(cell, cell.says(answer.generation, Step.PREPARED))
        row = await line.promotions.generation("production", 1)
        assert row.state is GenerationState.COMMITTED

    wait(main())


def test_what_is_not_prepared_in_time_is_abandoned_by_the_leader(
    database: Database, tmp_path: Path
) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        cell = line.cells["production"]
        await line.report(cell, cell.says(row, Step.PREPARED))
        assert await line.promotions.tick() == 0
        advance(line, 120)
        assert await line.promotions.tick() == 1
        assert await line.promotions.tick() == 0
        row = await line.promotions.generation("production", 1)
        assert row.state is GenerationState.ABANDONED
        assert row.reason == "not prepared in time by production-eu"
        await line.report(cell, cell.says(row, Step.PREPARED))  # too late, and harmless
        assert (await line.promotions.generation("production", 1)).state is row.state

    wait(main())


def test_an_order_that_lapses_while_cells_prepare_is_not_committed(
    database: Database, tmp_path: Path
) -> None:
    """A cell that comes later judges by the time of the commit, and would refuse it for good."""

    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        plan = await line.plan("production", Verb.PROMOTE)
        request = line.signed(plan, seconds=30)
        answer = await line.promotions.order(request, "production", ADA)
        assert answer.generation is not None
        advance(line, 31)
        cell = line.cells["production"]
        await line.report(cell, cell.says(answer.generation, Step.PREPARED))
        told = await line.promotions.generation("production", 1)
        assert told.state is GenerationState.ABANDONED

    wait(main())


def test_the_way_back_by_a_signed_order_asks_no_gate(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.promoted(TWO)
        await line.switched(await line.proposed("production", Verb.CONFIGURE, profile=Profile.TEAM))
        plan = await line.plan("production", Verb.ROLLBACK)
        assert [row.gate for row in plan.gates] == ["rollback"]
        answer = await line.order(plan, line.crew.releaser)
        assert answer.met
        told = await line.desired("production")
        assert told.proposed is not None
        envelopes = {Digest.of(each.encode()) for each in told.proposed.evidence}
        assert len(envelopes) == 3  # the order, where the release comes from, what was counted

    wait(main())


# --- Each refusal -----------------------------------------------------------------------------


def _planned(environment: str, verb: Verb, **given: Any) -> Act:
    async def act(line: Line) -> object:
        return await line.plan(environment, verb, **given)

    return act


_UNPLANNABLE: tuple[tuple[Act, type[SeatrialError]], ...] = (
    (_planned("nowhere", Verb.DEPLOY), EnvironmentUnknown),
    (_planned("production", Verb.DEPLOY, agents={"support": "support@1"}), DeployRefused),
    (_planned("staging", Verb.PROMOTE), PromoteRefused),
    (_planned("staging", Verb.DEPLOY, agents={"support": "support@1"}), NothingToChange),
    (_planned("staging", Verb.DEPLOY), NothingToChange),
    (_planned("staging", Verb.DEPLOY, agents={"support": "support@9"}), ReleaseUnknown),
    (_planned("staging", Verb.DEPLOY, agents={"support": ""}), ReleaseNameMalformed),
    (_planned("staging", Verb.DEPLOY, agents={"other": "support@1"}), ReleaseOfOther),
    (_planned("staging", Verb.DEPLOY, remove=("other",)), AgentNotThere),
    (_planned("production", Verb.PROMOTE), NothingToChange),
    (_planned("production", Verb.PROMOTE, agents={"other": ""}), AgentNotThere),
    (_planned("production", Verb.PROMOTE, agents={"support": "support@2"}), NotLiveInSource),
    (_planned("production", Verb.ROLLBACK), NothingToChange),
    (_planned("production", Verb.ROLLBACK, to=1), GenerationUnknown),
    (_planned("production", Verb.ROLLBACK, to=9), GenerationUnknown),
    (_planned("production", Verb.ROLLBACK, to=0), GenerationUnknown),
    (_planned("production", Verb.CONFIGURE), OrderMismatched),
    (_planned("production", Verb.CONFIGURE, profile=Profile.SOLO), NothingToChange),
    (lambda line: line.promotions.generation("production", 9), GenerationUnknown),
    (lambda line: line.promotions.generations("nowhere", 9), EnvironmentUnknown),
    (
        lambda line: line.promotions.rollback(RollbackRequest(), "nowhere", ADA),
        EnvironmentUnknown,
    ),
)


def test_what_cannot_be_planned_is_refused_by_name(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.hand_in(TWO)
        before = line.logged()
        for act, refusal in _UNPLANNABLE:
            with pytest.raises(refusal):
                await act(line)
        assert line.logged() == before

    with Database.open(sqlite_url) as database:
        wait(main(database))


class _Forgery:
    """Orders for the promotion of `TWO`, each wrong in one point."""

    def __init__(self, line: Line) -> None:
        self.line = line

    async def fresh(self) -> OrderRequest:
        return self.line.signed(await self.line.plan("production", Verb.PROMOTE))

    async def altered(self, **changed: Any) -> OrderRequest:
        """The order with other words, signed by Ada."""
        request = await self.fresh()
        keys = [self.line.crew.author.verify_key]
        closure, order, _ = Order.verified(request.order.encode(), keys)
        other = order.model_copy(update=changed).signed(closure, "closure", self.line.crew.author)
        return request.model_copy(update={"order": other.decode()})

    async def by(self, **closure: Any) -> OrderRequest:
        """An order for another closure, signed by Ada."""
        plan = await self.line.plan("production", Verb.PROMOTE)
        other = plan.closure.model_copy(update=closure)
        return self.line.signed(plan.model_copy(update={"closure": other}))


def _order(make: Callable[[_Forgery], Coroutine[Any, Any, OrderRequest]]) -> Act:
    async def act(line: Line) -> object:
        request = await make(_Forgery(line))
        return await line.promotions.order(request, "production", ADA)

    return act


async def _by_a_stranger(line: Line) -> object:
    plan = await line.plan("production", Verb.PROMOTE)
    return await line.order(plan, line.crew.stranger)


async def _elsewhere(line: Line) -> object:
    request = await _Forgery(line).fresh()
    return await line.promotions.order(request, "staging", ADA)


async def _late(line: Line) -> object:
    request = await _Forgery(line).fresh()
    advance(line, 3_601)
    return await line.promotions.order(request, "production", ADA)


async def _without_permission(line: Line) -> object:
    request = await _Forgery(line).fresh()
    caller = replace(ADA, permissions=ADA.permissions - {Permission.PROMOTE})
    return await line.promotions.order(request, "production", caller)


async def _rollback_without_permission(line: Line) -> object:
    caller = replace(ADA, permissions=ADA.permissions - {Permission.ROLLBACK})
    return await line.promotions.rollback(RollbackRequest(), "production", caller)


async def _all_excluded(line: Line) -> object:
    request = (await _Forgery(line).fresh()).model_copy(update={"exclude": ("production",)})
    return await line.promotions.order(request, "production", ADA)


async def _second(line: Line) -> object:
    request, other = await _Forgery(line).fresh(), await _Forgery(line).fresh()
    await line.promotions.order(request, "production", ADA)
    return await line.promotions.order(other, "production", ADA)


async def _after_another(line: Line) -> object:
    request = await _Forgery(line).fresh()
    plan = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
    answer = await line.order(plan)
    assert answer.generation is not None
    await line.switched(answer.generation)
    return await line.promotions.order(request, "production", ADA)


_STRANGE = Active(release=OTHER.name, name="billing@1")


_FORGED: tuple[tuple[Act, type[SeatrialError]], ...] = (
    (_by_a_stranger, EnvelopeUntrusted),
    (_elsewhere, OrderMismatched),
    (_without_permission, PermissionMissing),
    (_rollback_without_permission, PermissionMissing),
    (_all_excluded, NoCell),
    (_order(lambda forged: forged.altered(environment="staging")), OrderMismatched),
    (_order(lambda forged: forged.altered(base=ONE.name)), OrderStale),
    (_order(lambda forged: forged.altered(rules=ONE.name)), OrderStale),
    (_order(lambda forged: forged.altered(verb=Verb.DEPLOY)), DeployRefused),
    (_order(lambda forged: forged.altered(verb=Verb.ROLLBACK)), GenerationUnknown),
    (_order(lambda forged: forged.by(environment="staging")), OrderMismatched),
    (_order(lambda forged: forged.by(agents={"billing": _STRANGE})), ReleaseUnknown),
    (
        _order(
            lambda forged: forged.by(agents={"support": Active(release=TWO.name, name="support@1")})
        ),
        ReleaseOfOther,
    ),
    (
        _order(
            lambda forged: forged.by(agents={"billing": Active(release=TWO.name, name="support@2")})
        ),
        ReleaseOfOther,
    ),
)


def test_what_nobody_may_order_is_refused_by_name(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        before = line.logged()
        for act, refusal in _FORGED:
            with pytest.raises(refusal):
                await act(line)
        assert line.logged() == before

    with Database.open(sqlite_url) as database:
        wait(main(database))


@pytest.mark.parametrize(
    ("act", "refusal"),
    [(_second, SwitchUnderWay), (_after_another, OrderStale), (_late, OrderLapsed)],
)
def test_an_order_that_comes_too_late_is_refused_by_name(
    sqlite_url: str, tmp_path: Path, act: Act, refusal: type[SeatrialError]
) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        with pytest.raises(refusal):
            await act(line)
        rows = await line.promotions.generations("production", 9)
        committed = [each for each in rows if each.state is GenerationState.COMMITTED]
        assert {each.agents["support"] for each in committed} == {"support@1"}

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_an_order_may_not_change_the_rules_beside(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        plan = await line.plan("production", Verb.PROMOTE)
        loose = plan.closure.rules.model_copy(update={"gates": ()})
        closure = plan.closure.model_copy(update={"rules": loose})
        answer = await line.order(plan.model_copy(update={"closure": closure}))
        assert not answer.met
        assert [row.gate for row in answer.gates if row.standing != "met"] == ["coherent"]
        before = await line.plan("production", Verb.CONFIGURE, profile=Profile.TEAM)
        closure = before.closure.model_copy(update={"rules": loose})
        with pytest.raises(RulesUnknown):
            await line.order(before.model_copy(update={"closure": closure}))

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_without_a_keyring_nothing_is_planned(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = Line(database, tmp_path)
        with pytest.raises(KeyringMissing):
            await line.plan("staging", Verb.CONFIGURE, profile=Profile.TEAM)
        assert (await line.promotions.status()).keyring == 0

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_without_a_cell_on_the_keyring_nothing_is_ordered(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path, cells=()).start()
        name = await line.hand_in(ONE)
        with pytest.raises(NoCell):
            await line.proposed("staging", Verb.DEPLOY, agents={"support": name})

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_a_control_that_no_cell_would_obey_orders_nothing(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.promoted(TWO)
        plan = await line.plan("staging", Verb.DEPLOY, remove=("support",))
        line.crew.control = SigningKey.generate()
        other = line.beside(database)
        with pytest.raises(ControlNotListed):
            await other.order(plan)
        with pytest.raises(ControlNotListed):
            await other.promotions.rollback(RollbackRequest(), "production", ADA)
        await other.sign(2)
        assert (await other.order(plan)).met

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_a_control_that_no_cell_would_obey_commits_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """What it committed could never be carried out, nor taken back."""

    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        name = await line.hand_in(ONE)
        row = await line.proposed("staging", Verb.DEPLOY, agents={"support": name})
        staging = line.cells["staging"]
        listed = line.crew.control
        line.crew.control = SigningKey.generate()
        other = line.beside(database)
        line.crew.control = listed
        said = staging.says(row, Step.PREPARED)
        with pytest.raises(ControlNotListed):
            await other.report(staging, said)
        await line.report(staging, said)
        row = await line.promotions.generation("staging", row.generation)
        assert row.state is GenerationState.COMMITTED

    with Database.open(sqlite_url) as database:
        wait(main(database))
