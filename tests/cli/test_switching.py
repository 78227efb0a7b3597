"""deploy, promote, rollback, profiles: what is signed, what is refused, how each one ends."""

import json
from pathlib import Path

import pytest

from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GateRow, Plan
from seatrial.kit.errors import Exit
from tests.cli.conftest import Command
from tests.cli.fake import Fake

SOAK = GateRow(
    gate="soak",
    standing="inconclusive",
    reason="0 of 1 succeeded runs in staging",
    agent="support",
    remedy="Run it in staging and judge the outcomes.",
)


def change(project: Path, prompt: str) -> None:
    (project / "prompts/system.md").write_text(prompt)


def test_deploy_makes_the_release_active_and_says_which(fake: Fake, command: Command) -> None:
    said = command("deploy", "--json")
    assert said.code == Exit.OK
    ((row, release),) = fake.releases
    assert said.json == {
        "release": "support@1",
        "digest": str(release.name),
        "environment": "staging",
        "generation": 1,
        "state": "active",
    }
    assert row.author == "ada"
    assert said.err.splitlines()[0] == "staging · support"
    assert set(fake.blobs) == {str(each) for each in release.blobs}
    assert [order.verb for order, _, _ in fake.orders] == [Verb.DEPLOY]


def test_a_second_deploy_of_the_same_sends_and_orders_nothing(fake: Fake, command: Command) -> None:
    command("deploy")
    fake.asked.clear()
    said = command("deploy")
    assert said.code == Exit.OK
    assert "support@1 is active in staging already" in said.err
    assert not [path for method, path, _ in fake.asked if method == "PUT" or "orders" in path]


def test_deploy_never_goes_to_production(fake: Fake, command: Command) -> None:
    assert command("deploy", "--env", "production").code == Exit.USAGE
    assert fake.asked == []


def test_a_dry_run_sends_nothing(fake: Fake, command: Command) -> None:
    said = command("deploy", "--dry-run", "--json")
    assert said.code == Exit.OK
    assert said.json["bundle"]["files"] == ["agent.py", "prompts/system.md", "seatrial.toml"]
    assert fake.asked == []


def test_promote_publishes_what_runs_in_staging(fake: Fake, command: Command) -> None:
    command("deploy")
    said = command("promote", "--yes", "--json", "--reason", "first")
    assert said.code == Exit.OK
    assert said.json["generation"] == 1
    assert said.json["state"] == "committed"
    order, closure, _ = fake.orders[-1]
    assert (order.verb, order.environment, order.reason) == (Verb.PROMOTE, "production", "first")
    assert closure.agents["support"].name == "support@1"
    assert "support  nothing -> support@1" in said.err


def test_promote_shows_each_field_that_changes(fake: Fake, command: Command, project: Path) -> None:
    command("deploy")
    command("promote", "--yes")
    change(project, "Be kind.\n")
    command("deploy")
    said = command("promote", "support@2", "--dry-run")
    assert said.code == Exit.OK
    assert "support  support@1 -> support@2" in said.out
    assert "text: Be brief.\\n -> Be kind.\\n" in said.out
    assert len(fake.generations["production"]) == 1


@pytest.mark.usefixtures("fake")
def test_nothing_to_promote_is_no_failure(command: Command) -> None:
    command("deploy")
    command("promote", "--yes")
    said = command("promote", "--yes")
    assert (said.code, said.out) == (Exit.OK, "nothing to change in production\n")
    for looking in ("--dry-run", "--why-not"):
        said = command("promote", looking, "--json")
        assert (said.code, said.json["state"]) == (Exit.OK, "unchanged")


def test_promote_without_a_terminal_asks_for_a_yes(fake: Fake, command: Command) -> None:
    command("deploy")
    orders = len(fake.orders)
    said = command("promote")
    assert said.code == Exit.DENIED
    assert "confirmation_missing" in said.err
    assert command("promote", "--confirm", "staging").code == Exit.DENIED
    assert len(fake.orders) == orders
    assert command("promote", "--confirm", "production").code == Exit.OK


def test_an_unmet_gate_stops_promote_before_it_is_signed(fake: Fake, command: Command) -> None:
    command("deploy")
    fake.gates.append(SOAK)
    orders = len(fake.orders)
    said = command("promote", "--yes")
    assert said.code == Exit.GATE_FAILED
    assert "soak support" in said.err
    assert "Run it in staging" in said.err
    assert len(fake.orders) == orders
    assert command("promote", "--yes", "--ahead").code == Exit.GATE_FAILED
    assert len(fake.orders) == orders + 1


def test_why_not_lists_the_gates(fake: Fake, command: Command) -> None:
    command("deploy")
    assert command("promote", "--why-not").code == Exit.OK
    fake.gates.append(SOAK)
    said = command("promote", "--why-not")
    assert said.code == Exit.GATE_FAILED
    assert "0 of 1 succeeded runs in staging" in said.out
    said = command("promote", "--why-not", "--json")
    assert said.json["blocked"] == ["soak"]


def test_promote_waits_for_a_cell_that_lags_and_says_so(fake: Fake, command: Command) -> None:
    command("deploy")
    fake.lagging = 3
    said = command("promote", "--yes")
    assert said.code == Exit.OK
    assert "0 of 1, production behind 12 s" in said.err
    assert "1 of 1" in said.err or "generation 1 is active" in said.out


def test_a_cell_that_stays_behind_ends_the_waiting_not_the_order(
    fake: Fake, command: Command
) -> None:
    command("deploy")
    fake.lagging = 10_000
    said = command("promote", "--yes", "--timeout", "1")
    assert said.code == Exit.UNREACHABLE
    assert "0 of 1, production behind 12 s" in said.err
    assert len(fake.generations["production"]) == 1
    assert command("status").err.startswith("production: generation 1, 0 of 1")


def test_no_wait_ends_at_once(fake: Fake, command: Command) -> None:
    command("deploy")
    fake.lagging = 10_000
    said = command("promote", "--yes", "--no-wait", "--json")
    assert (said.code, said.json["state"]) == (Exit.OK, "proposed")


def test_a_generation_that_a_cell_refuses_is_a_conflict_with_its_reason(
    fake: Fake, command: Command
) -> None:
    command("deploy")
    fake.commits = False
    said = command("promote", "--yes")
    assert said.code == Exit.CONFLICT
    assert "production refused: wheels_missing: no wheel" in said.err


def _elsewhere(plan: Plan) -> Plan:
    return plan.model_copy(update={"environment": "staging"})


def _other_verb(plan: Plan) -> Plan:
    return plan.model_copy(update={"verb": Verb.ROLLBACK})


def _other_environment_inside(plan: Plan) -> Plan:
    closure = plan.closure.model_copy(update={"environment": "staging"})
    return plan.model_copy(update={"closure": closure})


def _smuggled(plan: Plan) -> Plan:
    agents = plan.closure.agents | {"other": plan.closure.agents["support"]}
    return plan.model_copy(update={"closure": plan.closure.model_copy(update={"agents": agents})})


def _softer_rules(plan: Plan) -> Plan:
    rules = plan.closure.rules.model_copy(update={"gates": ()})
    return plan.model_copy(update={"closure": plan.closure.model_copy(update={"rules": rules})})


def _hidden_change(plan: Plan) -> Plan:
    return plan.model_copy(update={"changes": ()})


@pytest.mark.parametrize(
    "bend",
    [
        _elsewhere,
        _other_verb,
        _other_environment_inside,
        _smuggled,
        _softer_rules,
        _hidden_change,
    ],
)
def test_a_plan_that_is_not_what_was_asked_for_is_never_signed(
    fake: Fake, command: Command, bend: object
) -> None:
    command("deploy")
    orders = len(fake.orders)
    fake.bend = bend  # type: ignore[assignment]
    said = command("promote", "--yes")
    assert said.code == Exit.CONFLICT
    assert "plan_unlike" in said.err
    assert len(fake.orders) == orders


def test_rollback_brings_the_generation_before_back(
    fake: Fake, command: Command, project: Path
) -> None:
    command("deploy")
    command("promote", "--yes")
    change(project, "Be kind.\n")
    command("deploy")
    command("promote", "--yes")
    assert fake.closure("production").agents["support"].name == "support@2"
    said = command("rollback", "--yes", "--reason", "unkind", "--json")
    assert said.code == Exit.OK
    assert said.json["generation"] == 3
    assert fake.closure("production").agents["support"].name == "support@1"
    said = command("rollback", "--to", "2", "--dry-run")
    assert "support  support@1 -> support@2" in said.out
    assert len(fake.generations["production"]) == 3


@pytest.mark.usefixtures("fake")
def test_a_rollback_that_would_change_nothing_is_a_conflict(command: Command) -> None:
    command("deploy")
    command("promote", "--yes")
    said = command("rollback", "--to", "1", "--yes")
    assert said.code == Exit.CONFLICT
    assert "nothing_to_change" in said.err


def test_rollback_needs_no_key_where_the_token_may(
    fake: Fake, command: Command, project: Path
) -> None:
    command("deploy")
    command("promote", "--yes")
    path = project / ".seatrial/access.json"
    access = json.loads(path.read_text())
    del access["person"]
    path.write_text(json.dumps(access))
    orders = len(fake.orders)
    assert command("rollback", "--to", "0", "--yes").code == Exit.OK
    assert fake.closure("production").agents == {}
    assert len(fake.orders) == orders
    assert command("promote", "--yes").code == Exit.DENIED


def test_a_profile_is_a_switch_that_is_signed(fake: Fake, command: Command) -> None:
    said = command("environments", "profile", "team", "--yes", "--json")
    assert said.code == Exit.OK
    assert fake.orders[-1][0].verb is Verb.CONFIGURE
    assert fake.closure("production").rules.profile == "team"
    said = command("environments", "history", "--json")
    assert [row["verb"] for row in said.json] == ["configure"]


def test_the_rules_of_a_profile_are_shown_without_a_server(command: Command) -> None:
    said = command("environments", "rules", "team", "--json")
    assert said.json["production"]["gates"][2]["terms"]["judged"] == 30
    assert "soak" in command("environments", "rules", "team").out


@pytest.mark.usefixtures("fake")
def test_without_a_server_the_answer_is_unreachable(command: Command, project: Path) -> None:
    path = project / ".seatrial/access.json"
    access = json.loads(path.read_text())
    access["control"]["url"] = "http://127.0.0.1:1"
    path.write_text(json.dumps(access))
    for arguments in (("deploy",), ("promote", "--yes"), ("status",), ("keys", "show")):
        said = command(*arguments)
        assert said.code == Exit.UNREACHABLE
        assert "peer_unreachable" in said.err
