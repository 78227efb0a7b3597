"""From a folder to a release, and where it comes from."""

import subprocess
from pathlib import Path

import pytest

from seatrial.cell.hosts.service.bundles import unpack
from seatrial.cell.hosts.service.makings import Makings
from seatrial.cli.project.domain import EntryFileMissing, EntryObjectMissing
from seatrial.cli.project.origin import Source, source
from seatrial.cli.project.release import build_release, open_project
from seatrial.contract.releases.actions import Effect
from seatrial.contract.releases.release import opened
from seatrial.kit.crypto.digests import Digest


def test_every_part_of_a_project_is_a_component(project: Path) -> None:
    manifest = project / "seatrial.toml"
    manifest.write_text(
        manifest.read_text()
        + '[models]\nmain = "openai:gpt-4.1-mini-2025-04-14"\n'
        + '[actions.refund]\neffect = "irreversible"\ninput = "refund.json"\n'
    )
    (project / "refund.json").write_text('{"type": "object"}')
    built = build_release(open_project(project), {})
    release = built.release
    assert sorted(release.manifest.components) == [
        "code/agent", "limits/limits", "model/main", "prompt/system", "tool/refund",
    ]  # fmt: skip
    assert release.prompts["system"].text == "Be brief.\n"
    assert release.tools["refund"].effect is Effect.IRREVERSIBLE
    assert release.code.entry == "agent.py:run"
    assert opened(release.document(), release.name) == release
    assert Digest.of(built.blob(release.code.bundle)) == release.code.bundle


def test_a_cell_unpacks_what_was_bundled(project: Path, tmp_path: Path) -> None:
    built = build_release(open_project(project), {})
    archive = tmp_path / "bundle.tar"
    archive.write_bytes(built.bundle)
    target = tmp_path / "unpacked"
    unpack(archive, built.release.code.bundle, target, Makings(tmp_path / "making"))
    assert (target / "prompts/system.md").read_text() == "Be brief.\n"


def test_line_ends_of_a_prompt_do_not_count(project: Path) -> None:
    one = build_release(open_project(project), {}).release
    (project / "prompts/system.md").write_bytes(b"Be brief.\r\n")
    assert build_release(open_project(project), {}).release == one


def test_an_entry_that_is_not_in_the_bundle_is_missing(project: Path) -> None:
    manifest = project / "seatrial.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("agent.py:run", "agnet.py:run"))
    with pytest.raises(EntryFileMissing, match=r"did you mean 'agent\.py'"):
        build_release(open_project(project), {})
    manifest.write_text(text + '[bundle]\nexclude = ["agent.py"]\n')
    with pytest.raises(EntryFileMissing):
        build_release(open_project(project), {})
    manifest.write_text(text.replace("agent.py:run", "agent.py:main"))
    with pytest.raises(EntryObjectMissing):
        build_release(open_project(project), {})


def git(folder: Path, *arguments: str) -> None:
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    subprocess.run(
        ["/usr/bin/env", "git", *arguments], cwd=folder, env=env, check=True, capture_output=True
    )


def test_a_commit_and_what_differs_from_it_are_known(project: Path) -> None:
    around = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project.parent)}
    assert source(project, around) == Source()
    git(project, "init", "-q")
    git(project, "config", "user.name", "Ada")
    git(project, "config", "user.email", "ada@example.org")
    assert source(project, around) == Source()
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "Begin")
    found = source(project, around)
    assert (len(found.commit), found.dirty) == (40, False)
    assert found.author == "Ada <ada@example.org>"
    (project / "new.txt").touch()
    assert source(project, around).dirty


def test_a_repository_runs_no_program_of_its_own(project: Path) -> None:
    git(project, "init", "-q")
    git(project, "-c", "user.name=a", "-c", "user.email=a@b.c", "add", ".")
    git(project, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "Begin")
    mark = project.parent / "ran"
    git(project, "config", "core.fsmonitor", f"touch {mark}; false")
    source(project, {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project.parent)})
    assert not mark.exists()


def test_without_git_a_project_comes_from_nowhere(project: Path) -> None:
    assert source(project, {"PATH": "/nonexistent"}) == Source()
