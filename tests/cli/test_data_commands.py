"""Commands that show and act: data on standard output, talk on standard error, codes that hold."""

import json
from pathlib import Path

import pytest

from seatrial.contract.evidence.keyring import Keyring, open_keyring
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import Exit
from tests.cli.conftest import Command
from tests.cli.fake import AT, Fake, signed_keyring

# --- releases -------------------------------------------------------------------------------------


def two_releases(command: Command, project: Path) -> None:
    command("deploy")
    (project / "prompts/system.md").write_text("Be kind.\n")
    command("deploy")


def test_releases_are_listed_newest_first(fake: Fake, command: Command, project: Path) -> None:
    assert command("releases", "list").out == ""
    two_releases(command, project)
    said = command("releases", "list", "--json")
    assert [row["name"] for row in said.json] == ["support@2", "support@1"]
    said = command("releases", "list", "support", "--limit", "1")
    assert "support@2" in said.out
    assert "support@1" not in said.out
    assert "more: --after rel_x" in said.err
    said = command("releases", "show", "support@2")
    assert str(fake.releases[1][1].name) in said.out.splitlines()


@pytest.mark.usefixtures("fake")
def test_a_release_is_shown_and_compared(command: Command, project: Path) -> None:
    two_releases(command, project)
    assert "prompt/system" in command("releases", "show", "support@1").out
    said = command("releases", "diff", "support@1", "support@2", "--json")
    assert said.code == Exit.OK
    assert [each["address"] for each in said.json] == ["code/agent", "prompt/system"]
    said = command("releases", "diff", "support@1", "support@2", "--exit-code")
    assert said.code == Exit.FAILED
    assert "text: Be brief.\\n -> Be kind.\\n" in said.out
    assert command("releases", "diff", "support@1", "support@1", "--exit-code").code == Exit.OK
    assert "added" in command("releases", "diff", "nothing", "support@1").out


@pytest.mark.usefixtures("fake")
def test_names_that_are_none_are_a_usage_error_and_unknown_ones_not_found(
    command: Command,
) -> None:
    assert command("releases", "show", "support").code == Exit.USAGE
    said = command("releases", "show", "support@9")
    assert said.code == Exit.NOT_FOUND
    assert "fake_not_here" in said.err


def test_a_release_whose_content_is_not_its_digest_is_refused(
    fake: Fake, command: Command, project: Path
) -> None:
    two_releases(command, project)
    row, _ = fake.releases[0]
    fake.releases[0] = (row, fake.releases[1][1])
    said = command("releases", "show", "support@1")
    assert said.code != Exit.OK
    assert "release_altered" in said.err


def test_a_release_that_was_not_asked_for_is_refused(
    fake: Fake, command: Command, project: Path
) -> None:
    two_releases(command, project)
    _, asked = fake.releases[0]
    fake.aliases[str(asked.name)] = "support@2"
    said = command("releases", "show", str(asked.name))
    assert said.code == Exit.FAILED
    assert "answer_unexpected" in said.err


# --- runs -----------------------------------------------------------------------------------------


def test_invoke_prints_the_output_alone(fake: Fake, command: Command) -> None:
    said = command("invoke", "support", "hello", "--env", "staging")
    assert (said.code, said.out) == (Exit.OK, '{\n  "echo": "hello"\n}\n')
    assert said.err.splitlines()[0] == "staging · support"
    said = command("invoke", "support", '{"order": 7}', "--json", "--session", "s", "--tag", "a=b")
    assert said.json["output"] == {"echo": {"order": 7}}
    _, _, body = fake.asked[-1]
    assert (body["session"], body["tags"], body["mode"]) == ("s", {"a": "b"}, "wait")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain words", "plain words"),
        ('"7"', "7"),
        ("7", 7),
        ("null", None),
        ("NaN", "NaN"),
        ("[1, {}]", [1, {}]),
        ("{broken", "{broken"),
    ],
)
def test_an_input_is_json_or_else_text(
    fake: Fake, command: Command, text: str, value: object
) -> None:
    assert command("invoke", "support", text).code == Exit.OK
    assert fake.asked[-1][2]["input"] == value


def test_an_input_comes_from_a_file(fake: Fake, command: Command, project: Path) -> None:
    (project / "in.json").write_text('{"a": 1}')
    assert command("invoke", "support", "--file", "in.json").code == Exit.OK
    assert fake.asked[-1][2]["input"] == {"a": 1}
    assert command("invoke", "support", "x", "--file", "in.json").code == Exit.USAGE


@pytest.mark.usefixtures("fake")
def test_a_run_that_takes_long_is_waited_for(command: Command) -> None:
    said = command("invoke", "support", "slow")
    assert said.code == Exit.OK
    assert json.loads(said.out) == {"late": True}
    assert "run_0 is running; waiting" in said.err


@pytest.mark.usefixtures("fake")
def test_async_prints_the_id_and_leaves(command: Command) -> None:
    said = command("invoke", "support", "slow", "--async")
    assert (said.code, said.out) == (Exit.OK, "run_0\n")


@pytest.mark.usefixtures("fake")
def test_a_failed_run_is_a_failure_with_its_reason(command: Command) -> None:
    said = command("invoke", "support", "boom")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert "agent_raised: boom" in said.err
    said = command("invoke", "support", "boom", "--json")
    assert said.code == Exit.FAILED
    assert said.json["state"] == "failed"


def test_a_stream_is_shown_once_though_its_connection_breaks(fake: Fake, command: Command) -> None:
    said = command("invoke", "support", "x", "--stream")
    assert (said.code, said.out) == (Exit.OK, "hello\n")
    fake.chunks = False
    said = command("invoke", "support", "x", "--stream")
    assert (said.code, said.out) == (Exit.OK, '{\n  "echo": "x"\n}\n')
    fake.chunks, fake.drop_stream = True, True
    said = command("invoke", "support", "x", "--stream")
    assert (said.code, said.out) == (Exit.OK, "hello\n")
    assert "connecting again" in said.err
    assert sum(method == "POST" for method, _, _ in fake.asked) == 3


@pytest.mark.usefixtures("fake")
def test_an_unknown_agent_or_environment_is_not_found(command: Command) -> None:
    assert command("invoke", "nobody", "x").code == Exit.NOT_FOUND
    said = command("invoke", "support", "x", "--env", "stagign")
    assert said.code == Exit.NOT_FOUND
    assert "did you mean 'staging'" in said.err


@pytest.mark.usefixtures("fake")
def test_runs_are_listed_shown_and_judged(command: Command) -> None:
    assert command("runs", "list").err.endswith("no runs\n")
    command("invoke", "support", "boom")
    said = command("runs", "list", "--state", "failed", "--dead")
    assert "run_0" in said.out
    assert "agent_raised" in said.out
    assert "boom" not in said.out
    assert command("runs", "list", "--json").json["runs"][0]["id"] == "run_0"
    assert "tokens: 7" in command("runs", "show", "run_0").out
    assert command("runs", "show", "run_0", "--json").json["calls"]
    for verb in ("cancel", "redrive"):
        assert command("runs", verb, "run_0").code == Exit.OK
    assert command("runs", "outcome", "run_0", "resolved", "--note", "n").code == Exit.OK
    assert command("runs", "list", "--tag", "wrong").code == Exit.USAGE
    assert command("runs", "show", "run_9").code == Exit.NOT_FOUND


def test_feedback_says_something(fake: Fake, command: Command) -> None:
    command("invoke", "support", "x")
    assert command("runs", "feedback", "run_0").code == Exit.USAGE
    said = command("runs", "feedback", "run_0", "--down", "--correction", '{"a": 1}', "--json")
    assert said.code == Exit.OK
    assert fake.asked[-1][2] == {"thumbs": "down", "correction": {"a": 1}}
    assert command("runs", "outcome", "run_0", "great").code == Exit.USAGE
    assert command("runs", "feedback", "run_0", "--score", "2").code == Exit.USAGE


@pytest.mark.usefixtures("fake")
def test_sessions_are_listed_and_shown(command: Command) -> None:
    assert "chat-1" in command("sessions", "list").out
    assert command("sessions", "show", "chat-1", "--json").json["id"] == "chat-1"
    command("invoke", "support", "x")
    assert "run_0" in command("sessions", "show", "chat-1").out


@pytest.mark.usefixtures("fake")
def test_log_lines_cannot_drive_the_terminal(command: Command) -> None:
    for follow in ((), ("-f",)):
        said = command("logs", *follow)
        assert said.code == Exit.OK
        assert "hel\\x1b[2Jlo" in said.out
    said = command("logs", "--json")
    assert json.loads(said.out)["run"] == "run_0"


# --- status, secrets, keys ------------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_status_shows_generations_lag_and_isolation(command: Command) -> None:
    command("deploy")
    said = command("status")
    assert said.code == Exit.OK
    (line,) = (line for line in said.out.splitlines() if line.startswith("staging"))
    for part in ("solo", "support@1", "level", "L1"):
        assert part in line
    assert "embedded: " in said.err
    said = command("status", "--json")
    assert said.json["isolation"] == {"staging": "L1", "production": "L1"}
    assert said.json["environments"][0]["current"]["generation"] == 1


def test_a_secret_goes_in_from_a_file_and_never_comes_out(
    fake: Fake, command: Command, project: Path
) -> None:
    (project / "key").write_text("sk-very-secret\n")
    said = command("secrets", "set", "openai", "--file", "key")
    assert said.code == Exit.OK
    assert fake.secrets == {"openai": "sk-very-secret"}
    assert "sk-very-secret" not in said.out + said.err
    assert command("secrets", "list").out == "openai\n"
    assert command("secrets", "remove", "openai").code == Exit.OK
    assert fake.secrets == {}
    (project / "key").write_text("\n")
    assert command("secrets", "set", "openai", "--file", "key").code == Exit.USAGE
    assert command("secrets", "set", "openai", "sk-x").code == Exit.USAGE


def root_file(fake: Fake, project: Path) -> str:
    keyfiles.save(fake.root, project / ".seatrial/root/root.pem")
    return str(project / ".seatrial/root/root.pem")


def enrolment(fake: Fake, cell: str) -> SigningKey:
    key = SigningKey.generate()
    fake.enrolments.append(
        {
            "cell": cell,
            "environment": "production",
            "region": "eu",
            "signing": key.id,
            "sealing": OpeningKey.generate().id,
            "url": "http://127.0.0.1:1",
            "profile": "solo",
            "at": AT.isoformat(),
            "listed": False,
        }
    )
    return key


def test_keys_shows_whom_to_compare(fake: Fake, command: Command) -> None:
    key = enrolment(fake, "production-eu")
    said = command("keys", "show")
    assert said.code == Exit.OK
    assert key.id in said.out
    assert fake.person.id in said.out
    assert "no keyring in force" in said.err
    fake.keyring = signed_keyring(fake)
    said = command("keys", "show", "--json")
    assert said.json["keyring"]["version"] == 1


def test_sign_takes_in_who_waits_under_the_root_alone(
    fake: Fake, command: Command, project: Path
) -> None:
    root = root_file(fake, project)
    fake.keyring = signed_keyring(fake)
    key = enrolment(fake, "production-eu")
    assert command("keys", "sign", "--root", root).code == Exit.DENIED
    said = command("keys", "sign", "--root", root, "--yes")
    assert said.code == Exit.OK
    ring = ring_of(fake)
    assert ring.version == 2
    assert ring.cells[0].replicas[0].signing == key.id
    said = command("keys", "sign", "--root", root, "--yes")
    assert "has it all already" in said.out
    assert ring_of(fake).version == 2


def test_a_first_keyring_takes_the_keys_that_control_names(
    fake: Fake, command: Command, project: Path
) -> None:
    assert command("keys", "sign", "--root", root_file(fake, project), "--yes").code == Exit.OK
    assert ring_of(fake).control == (fake.control_key.id,)


def test_a_keyring_of_another_root_is_no_ground_to_build_on(
    fake: Fake, command: Command, project: Path
) -> None:
    root = root_file(fake, project)
    fake.root = SigningKey.generate()
    fake.keyring = signed_keyring(fake)
    said = command("keys", "sign", "--root", root, "--yes")
    assert said.code == Exit.DENIED
    assert "envelope_untrusted" in said.err


def test_people_come_and_go(fake: Fake, command: Command, project: Path) -> None:
    root = root_file(fake, project)
    name = command("keys", "person", str(project / "ben.pem")).out.strip()
    assert name.startswith("ed25519:")
    added = ("--key", name, "--role", "releaser", "--root", root, "--yes")
    assert command("keys", "add-person", "ben", *added).code == Exit.OK
    assert [each.name for each in ring_of(fake).people] == ["ben"]
    assert command("keys", "remove-person", "eve", "--root", root, "--yes").code == Exit.NOT_FOUND
    assert command("keys", "remove-person", "ben", "--root", root, "--yes").code == Exit.OK
    assert ring_of(fake).people == ()
    wrong = ("--key", "ed25519:zz", "--role", "releaser", "--root", root)
    assert command("keys", "add-person", "ben", *wrong).code == Exit.USAGE


@pytest.mark.usefixtures("fake")
def test_tokens_are_printed_once(command: Command) -> None:
    said = command("keys", "enrol", "production-eu", "--env", "production", "--region", "eu")
    assert said.out == "sea_enrol_once\n"
    said = command("keys", "new-token", "ci", "--may", "deploy", "--days", "7")
    assert said.out == "sea_control_new\n"
    assert command("keys", "enrol", "Not A Slug", "--env", "production").code == Exit.USAGE
    assert command("keys", "new-token", "ci", "--may", "everything").code == Exit.USAGE


def ring_of(fake: Fake) -> Keyring:
    assert fake.keyring is not None
    return open_keyring(fake.keyring, roots=(fake.root.verify_key,), at_least=1)


# --- what is wrong before a server is asked -------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_without_an_access_file_each_command_says_where_one_would_be(command: Command) -> None:
    for arguments in (
        ("status",),
        ("promote",),
        ("rollback",),
        ("runs", "list"),
        ("logs",),
        ("keys", "show"),
        ("invoke", "support", "x"),
        ("releases", "list"),
        ("deploy",),
    ):
        said = command(*arguments)
        assert said.code == Exit.NOT_FOUND, arguments
        assert "access_missing" in said.err
        assert said.out == ""


def test_a_wrong_token_is_denied(fake: Fake, command: Command) -> None:
    fake.token = "sea_other"
    said = command("releases", "list")
    assert said.code == Exit.DENIED
    assert "fake_token_wrong" in said.err


def test_outside_a_project_deploy_says_how_to_begin_one(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("deploy")
    assert said.code == Exit.NOT_FOUND
    assert "seatrial init" in said.err
