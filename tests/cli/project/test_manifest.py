"""seatrial.toml: what is taken, and every way of being wrong."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli.project.domain import ProjectInvalid, ProjectMissing
from seatrial.cli.project.manifest import LARGEST, find, parse, read
from seatrial.cli.project.release import open_project

AGENT = '[agent]\nname = "support"\nentry = "agent.py:run"\n'


def test_a_whole_manifest_is_read() -> None:
    manifest = parse(
        (
            AGENT + 'owner = "Ada"\npython = "3.12"\n'
            '[models]\nmain = "openai:gpt-4.1-mini-2025-04-14"\n'
            'other = { provider = "anthropic", model = "claude-sonnet-4-20250514" }\n'
            '[prompts]\nsystem = "prompts/system.md"\n'
            '[actions.refund]\neffect = "irreversible"\ninput = "actions/refund.json"\n'
            '[actions.look]\neffect = "read"\ninput = { type = "object" }\n'
            "[limits]\nsteps = 5\n"
            '[secrets]\nopenai = "OPENAI_API_KEY"\n'
            '[bundle]\nexclude = ["data/**"]\n'
            '[dependencies]\nrequirements = "requirements.txt"\n'
        ).encode(),
        "x",
    )
    assert manifest.models["main"].model == "gpt-4.1-mini-2025-04-14"
    assert manifest.models["other"].provider == "anthropic"
    assert manifest.actions["refund"].input == "actions/refund.json"
    assert manifest.limits.steps == 5


WRONG = {
    "no agent": ("", "agent: field required"),
    "unknown field": (AGENT + "onwer = 'x'\n", "agent.onwer: there is no such field"),
    "a neighbour": (AGENT + "onwer = 'x'\n", "did you mean 'owner'?"),
    "unknown table": (AGENT + "[prompst]\na = 'b'\n", "did you mean 'prompts'?"),
    "a slug": (AGENT.replace("support", "Support Desk"), "agent.name: "),
    "an entry": (AGENT.replace("agent.py:run", "agent.run"), "agent.entry: "),
    "a path out": (AGENT + "[prompts]\na = '../secret'\n", "prompts.a: a path starts at"),
    "a rooted path": (AGENT + "[prompts]\na = '/etc/passwd'\n", "prompts.a: a path starts at"),
    "a moving model": (AGENT + "[models]\na = 'openai:gpt-latest'\n", "pins nothing"),
    "half a model": (AGENT + "[models]\na = 'gpt-4'\n", "models.a: a model is"),
    "an effect": (
        AGENT + "[actions.a]\neffect = 'maybe'\ninput = {}\n",
        "actions.a.effect: ",
    ),
    "a limit": (AGENT + "[limits]\nsteps = 0\n", "limits.steps: "),
    "no TOML": ("[agent\n", "it is not TOML"),
    "not UTF-8": ("\udcff", "it is not UTF-8"),
    "too large": ("#" * (LARGEST + 1), "larger than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_wrong_manifest_says_where_and_why(case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(ProjectInvalid) as raised:
        parse(text.encode(errors="surrogateescape"), "seatrial.toml")
    assert said in raised.value.message


def test_all_findings_come_at_once() -> None:
    text = AGENT + "colour = 1\n[limits]\nsteps = 0\n[models]\na = 'x'\n"
    with pytest.raises(ProjectInvalid) as raised:
        parse(text.encode(), "x")
    for place in ("agent.colour", "limits.steps", "models.a"):
        assert place in raised.value.message


@pytest.mark.parametrize(
    "secret", ["sk-proj-1234567890abcdef", "AKIAIOSFODNN7EXAMPLE", "ghp_abcdef", "hunter2"]
)
def test_a_secret_itself_is_refused_and_never_quoted(secret: str) -> None:
    with pytest.raises(ProjectInvalid) as raised:
        parse((AGENT + f"[secrets]\nopenai = '{secret}'\n").encode(), "x")
    assert "secrets.openai" in raised.value.message
    assert secret not in raised.value.message


def test_a_secret_in_broken_toml_is_not_quoted() -> None:
    with pytest.raises(ProjectInvalid) as raised:
        parse((AGENT + "[secrets]\nopenai = sk-proj-1234567890abcdef1234567890\n").encode(), "x")
    assert "sk-proj" not in raised.value.message


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_whatever_stands_there_is_a_manifest_or_a_named_error(text: str) -> None:
    for content in (text.encode(errors="replace"), (AGENT + text).encode(errors="replace")):
        with contextlib.suppress(ProjectInvalid):
            parse(content, "x")


def test_the_project_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text(AGENT)
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    assert find(inner) == tmp_path
    with pytest.raises(ProjectMissing):
        read(inner)


def test_every_missing_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text(
        AGENT
        + "[prompts]\na = 'a.md'\nb = 'b.md'\n[actions.c]\neffect = 'read'\ninput = 'c.json'\n"
    )
    (tmp_path / "b.md").write_bytes(b"\xff\xfe")
    (tmp_path / "c.json").write_text('{"a": 1, "a": 2}')
    with pytest.raises(ProjectInvalid) as raised:
        open_project(tmp_path)
    for said in ("prompts.a: 'a.md' is not there", "prompts.b: 'b.md' is not UTF-8", "actions.c"):
        assert said in raised.value.message
