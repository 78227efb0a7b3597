"""One source tree, one bundle: whatever the machine, the order, the times, the line ends."""

import io
import os
import random
import shutil
import socket
import tarfile
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli.project import bundling
from seatrial.cli.project.bundling import files, pack, unified
from seatrial.cli.project.domain import BundleEntryRefused, BundleFileUnreadable
from seatrial.cli.project.selection import Selection
from seatrial.contract.releases.bundles import BundlePathRefused, BundleTooLarge
from seatrial.kit.crypto.digests import Digest

ALL = Selection()


def tree(folder: Path, content: Mapping[str, bytes | str]) -> Path:
    for path, each in content.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(each if isinstance(each, bytes) else each.encode())
    return folder


def paths(folder: Path, selection: Selection = ALL) -> list[str]:
    return [each.path for each in files(folder, selection)]


def test_one_tree_has_one_digest_for_ever(tmp_path: Path) -> None:
    folder = tree(
        tmp_path,
        {"agent.py": "def run(i):\r\n    return i\r\n", "data/ü.txt": "ü", "x" * 120: b"\x00\r\n"},
    )
    (folder / "agent.py").chmod(0o700)
    # Whatever changes this figure renames every release there is.
    assert str(Digest.of(pack(files(folder, ALL)))) == (
        "sha256:2d7f67a698fd35d2583481ac399ba1fb7c3c5cf2fdba84a7f1475ab9e317a4fa"
    )


_NAMES = st.from_regex(r"[a-zäé][a-z0-9äé_-]{0,6}(\.py|\.md)?", fullmatch=True)
_TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=60), max_size=8
)


@given(content=_TREES, seed=st.integers(0, 2**32))
def test_mtime_umask_order_and_line_ends_do_not_count(
    content: dict[str, bytes], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chosen: dict[str, bytes] = {}
    for path, each in content.items():
        parents = path.split("/")
        if any("/".join(parents[:n]) in content for n in range(1, len(parents))):
            continue
        chosen[path] = each
    generator = random.Random(seed)  # noqa: S311 - an order, no secret
    one = tree(tmp_path_factory.mktemp("one"), chosen)
    shuffled = list(chosen.items())
    generator.shuffle(shuffled)
    umask = os.umask(generator.choice([0o000, 0o022, 0o077]))
    try:
        two = tree(
            tmp_path_factory.mktemp("two"),
            {
                path: unified(each).replace(b"\n", b"\r\n") if _is_text(each) else each
                for path, each in shuffled
            },
        )
    finally:
        os.umask(umask)
    for path, _ in shuffled:
        os.utime(two / path, (generator.randrange(2**31), generator.randrange(2**31)))
    first, second = (pack(files(folder, Selection(include=("**",)))) for folder in (one, two))
    assert first == second
    shutil.rmtree(one)
    shutil.rmtree(two)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    # A lone CR before the LF that is put there would make a pair of its own.
    return b"\0" not in content and b"\r" not in content


def test_a_member_has_no_owner_no_time_and_one_of_two_modes(tmp_path: Path) -> None:
    folder = tree(tmp_path, {"b.py": "", "a/run.sh": "#!/bin/sh\n"})
    (folder / "a/run.sh").chmod(0o741)
    (folder / "b.py").chmod(0o646)
    with tarfile.open(fileobj=io.BytesIO(pack(files(folder, ALL)))) as tar:
        members = tar.getmembers()
    assert [(each.name, each.mode) for each in members] == [("a/run.sh", 0o755), ("b.py", 0o644)]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"a\rb\n", b"a\rb\n"),
        (b"\x00a\r\n", b"\x00a\r\n"),
        (b"\xff\r\n", b"\xff\r\n"),
        ("é\r\n".encode(), "é\n".encode()),
    ],
)
def test_line_ends_are_unified_in_text_alone(content: bytes, kept: bytes) -> None:
    assert unified(content) == kept


def test_what_is_left_out(tmp_path: Path) -> None:
    folder = tree(
        tmp_path,
        dict.fromkeys(
            [
                "agent.py", "seatrial.toml", "pkg/build/inner.py", "pkg/dist/inner.py",
                ".git/config", ".hg/x", ".seatrial/access.json", ".venv/x", "venv/x",
                "pkg/node_modules/x", "pkg/__pycache__/a.pyc", "a.pyc", ".mypy_cache/x",
                "dist/x.whl", "build/x", "my.egg-info/PKG-INFO", ".env", ".env.local", "tls.pem",
                "deep/server.KEY", ".DS_Store", ".hidden/x", ".netrc", "env/bin/python",
                "env/pyvenv.cfg",
            ],
            "",
        ),
    )  # fmt: skip
    assert paths(folder) == ["agent.py", "pkg/build/inner.py", "pkg/dist/inner.py", "seatrial.toml"]


def test_include_brings_back_all_but_secrets_and_exclude_wins(tmp_path: Path) -> None:
    folder = tree(
        tmp_path,
        dict.fromkeys(
            ["a.py", "dist/a.json", "dist/b.json", ".well-known/x", ".git/config", ".env", "k.pem"],
            "",
        ),
    )
    chosen = Selection(
        include=("dist/*.json", ".well-known/**", ".git/**", ".env", "*.pem"),
        exclude=("dist/b.json",),
    )
    assert paths(folder, chosen) == [".well-known/x", "a.py", "dist/a.json"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("data", ["a.txt", "b/c.md"]),
        ("data/", ["a.txt", "b/c.md"]),
        ("data/**", ["a.txt", "b/c.md", "b/data/x.txt"]),
        ("/data", ["a.txt", "b/c.md", "b/data/x.txt"]),
        ("*.txt", ["b/c.md"]),
        ("**/x.txt", ["a.txt", "b/c.md", "data/y/z.txt"]),
        ("data/*/z.txt", ["a.txt", "b/c.md", "b/data/x.txt", "data/x.txt"]),
        ("?.txt", ["b/c.md"]),
        ("[a]*", ["a.txt", "b/c.md", "b/data/x.txt", "data/x.txt", "data/y/z.txt"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, left: list[str]) -> None:
    names = ["a.txt", "b/c.md", "b/data/x.txt", "data/x.txt", "data/y/z.txt"]
    folder = tree(tmp_path, dict.fromkeys(names, ""))
    assert paths(folder, Selection(exclude=(pattern,))) == left


def test_links_pipes_and_sockets_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(BundleEntryRefused, match="'link': it is a symbolic link"):
        files(tmp_path, ALL)
    (tmp_path / "link").unlink()
    (tmp_path / "folder").symlink_to(tmp_path.parent)
    with pytest.raises(BundleEntryRefused, match="'folder'"):
        files(tmp_path, ALL)
    (tmp_path / "folder").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BundleEntryRefused, match="a named pipe"):
        files(tmp_path, ALL)
    assert files(tmp_path, Selection(exclude=("pipe",))) == ()


def test_names_come_in_form_nfc_and_clash_there(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é.py")
    tree(tmp_path, {decomposed: "x"})
    assert paths(tmp_path) == ["é.py"]
    tree(tmp_path, {"é.py": "y"})
    with pytest.raises(BundlePathRefused, match="has the same name"):
        files(tmp_path, ALL)


def test_names_that_some_system_cannot_have_are_refused(tmp_path: Path) -> None:
    (tmp_path / "aux.py").touch()
    with pytest.raises(BundlePathRefused, match=r"aux\.py"):
        files(tmp_path, ALL)
    (tmp_path / "aux.py").rename(os.fsdecode(bytes(tmp_path) + b"/\xff.py"))
    with pytest.raises(BundlePathRefused, match="not UTF-8"):
        files(tmp_path, ALL)


def test_letter_case_alone_is_one_name(tmp_path: Path) -> None:
    tree(tmp_path, {"a.py": "", "A.py": ""})
    with pytest.raises(BundlePathRefused, match="has the same name"):
        files(tmp_path, ALL)


def test_a_million_files_end_the_search_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "MOST_LOOKED_AT", 50)
    for number in range(60):
        (tmp_path / f"{number}.pyc").touch()
    with pytest.raises(BundleTooLarge):
        files(tmp_path, ALL)


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundleTooLarge):
        files(tmp_path, ALL)


def test_a_file_that_goes_away_is_named(tmp_path: Path) -> None:
    tree(tmp_path, {"a.py": "x"})
    found = files(tmp_path, ALL)
    (tmp_path / "a.py").unlink()
    with pytest.raises(BundleFileUnreadable, match=r"a\.py"):
        pack(found)


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(BundleEntryRefused, match="a socket"):
            files(tmp_path, ALL)
