"""The lock: made once, kept by what it was made from, honest about what went wrong."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from seatrial.cell.hosts.service.builds import checked_lock
from seatrial.cli.project.domain import (
    DependenciesUnresolved,
    IndexUnreachable,
    ProjectInvalid,
    RequirementRefused,
    WheelUnavailable,
)
from seatrial.cli.project.locking import Locker
from seatrial.cli.project.manifest import parse
from seatrial.cli.project.requirements import requirements
from seatrial.kit.crypto.digests import Digest

AGENT = '[agent]\nname = "support"\nentry = "agent.py:run"\n'
NEEDS = '[dependencies]\nrequirements = "requirements.txt"\n'
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A wheel of a package that holds nothing."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Requires-Dist: {each}\n" for each in needs]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        file.writestr(f"{info}/METADATA", head + "".join(lines))
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


class Index:
    """A package index in a folder, as PEP 503 lays one out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = folder.as_uri()

    def add(self, name: str, version: str, *needs: str) -> None:
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        wheel(place, name, version, *needs)
        self.list(name)

    def list(self, name: str) -> None:
        place = self.folder / name
        links = (f'<a href="{each.name}">{each.name}</a>' for each in sorted(place.glob("*-*")))
        (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = Index(tmp_path / "index")
    made.add("seamark", "1.0")
    made.add("seamark", "2.0", "lantern>=1")
    made.add("lantern", "1.5")
    (made.folder / "buoy").mkdir()
    (made.folder / "buoy/buoy-1.0.tar.gz").write_bytes(b"")
    made.list("buoy")
    return made


def locker(tmp_path: Path, index: Index, **more: str) -> Locker:
    around = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": index.url,
        "UV_DEFAULT_INDEX": index.url,
        "UV_NO_CONFIG": "1",
    }
    return Locker(
        folder=tmp_path, cache=tmp_path / ".seatrial", python=PYTHON, surroundings=around | more
    )


def test_no_dependencies_need_no_tool(tmp_path: Path) -> None:
    nothing = Locker(folder=tmp_path, cache=tmp_path, python=PYTHON, surroundings={})
    locked = nothing.locked(())
    assert (locked.lock, locked.wheels) == ("", {})


def test_a_lock_names_all_by_version_and_hash_as_a_cell_takes_it(
    tmp_path: Path, index: Index
) -> None:
    locked = locker(tmp_path, index).locked(("seamark>=2",))
    assert sorted(each.name for each in locked.wheels.values()) == [
        "lantern-1.5-py3-none-any.whl",
        "seamark-2.0-py3-none-any.whl",
    ]
    assert len(list(checked_lock(locked.lock))) == 2
    assert "http" not in locked.lock
    assert str(index.folder) not in locked.lock
    for digest, path in locked.wheels.items():
        assert Digest.of(path.read_bytes()) == digest
        assert digest.hex in locked.lock


def test_a_second_time_needs_no_index(tmp_path: Path, index: Index) -> None:
    first = locker(tmp_path, index).locked(("seamark",))
    shutil.rmtree(index.folder)
    assert locker(tmp_path, index).locked(("seamark",)) == first
    with pytest.raises((DependenciesUnresolved, IndexUnreachable, WheelUnavailable)):
        locker(tmp_path, index).locked(("seamark",), anew=True)


def test_a_lock_stays_until_it_is_made_anew(tmp_path: Path, index: Index) -> None:
    maker = locker(tmp_path, index)
    assert "seamark==2.0" in maker.locked(("seamark",)).lock
    index.add("seamark", "3.0")
    assert "seamark==2.0" in maker.locked(("seamark",)).lock
    assert "seamark==3.0" in maker.locked(("seamark",), anew=True).lock


def test_a_kept_wheel_that_was_altered_is_fetched_again(tmp_path: Path, index: Index) -> None:
    maker = locker(tmp_path, index)
    first = maker.locked(("seamark==1.0",))
    for path in first.wheels.values():
        path.write_bytes(b"altered")
    assert maker.locked(("seamark==1.0",)) == first


def test_versions_that_exclude_each_other_are_told(tmp_path: Path, index: Index) -> None:
    with pytest.raises(DependenciesUnresolved, match="seamark"):
        locker(tmp_path, index).locked(("seamark==1.0", "seamark==2.0"))


def test_a_package_without_a_wheel_is_told(tmp_path: Path, index: Index) -> None:
    with pytest.raises(WheelUnavailable, match="buoy"):
        locker(tmp_path, index).locked(("buoy",))


def test_an_index_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    around = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "UV_DEFAULT_INDEX": "http://me:hunter2@127.0.0.1:1/simple",
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
    }
    lost = Locker(folder=tmp_path, cache=tmp_path, python=PYTHON, surroundings=around)
    with pytest.raises(IndexUnreachable) as raised:
        lost.locked(("seamark",))
    assert "hunter2" not in raised.value.message


def test_the_configuration_of_pip_is_that_of_uv_where_uv_has_none(
    tmp_path: Path, index: Index
) -> None:
    around = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
    }
    for number, more in enumerate(
        (
            {"PIP_INDEX_URL": index.url},
            {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{index.url}/seamark {index.url}/lantern"},
        )
    ):
        maker = Locker(
            folder=tmp_path,
            cache=tmp_path / f"cache-{number}",
            python=PYTHON,
            surroundings=around | more,
        )
        assert "seamark==2.0" in maker.locked(("seamark",)).lock


def needs(tmp_path: Path, text: str) -> tuple[str, ...]:
    (tmp_path / "requirements.txt").write_text(text)
    return requirements(tmp_path, parse((AGENT + NEEDS).encode(), "x"))


def test_requirements_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    text = "# all\nseamark >= 1  # why\n\nlantern[oil]==1.5 \\\n  ; python_version > '3'\n"
    assert needs(tmp_path, text) == ("seamark >= 1", "lantern[oil]==1.5 ; python_version > '3'")


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-r other.txt",
        "--find-links https://x.example/wheels",
        "seamark @ https://x.example/s.whl",
        "seamark@file:///tmp/s.whl",
        "git+https://x.example/s.git",
        "./local",
        "https://x.example/s.whl",
        "; rm -rf /",
    ],
)
def test_only_names_and_versions_are_taken(tmp_path: Path, line: str) -> None:
    with pytest.raises(RequirementRefused, match="line 2"):
        needs(tmp_path, f"seamark\n{line}\n")


def test_pyproject_declares_the_rest(tmp_path: Path) -> None:
    manifest = parse(AGENT.encode(), "x")
    assert requirements(tmp_path, manifest) == ()
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\ndependencies = ["seamark>=1"]\n')
    assert requirements(tmp_path, manifest) == ("seamark>=1",)
    path.write_text('[project]\nname = "x"\ndynamic = ["dependencies"]\n')
    with pytest.raises(ProjectInvalid, match="dynamic"):
        requirements(tmp_path, manifest)
    path.write_text("[project\n")
    with pytest.raises(ProjectInvalid, match="not TOML"):
        requirements(tmp_path, manifest)


def test_a_missing_file_of_requirements_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"requirements\.txt"):
        requirements(tmp_path, parse((AGENT + NEEDS).encode(), "x"))
