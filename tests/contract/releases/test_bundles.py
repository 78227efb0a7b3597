"""A path in a bundle means the same file on every machine, and stays inside."""

import unicodedata
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.releases.bundles import (
    LARGEST_BUNDLE,
    LARGEST_FILE,
    BundlePathRefused,
    BundleTooLarge,
    check_path,
    check_paths,
)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../a", "a/../b", "./a", "a//b", "a/", "..", "a\\b", "C:x", "a\0b"),
        *("a\nb", "nul", "a/CON.txt", "com1", "a.", "a ", "a/b /c", "x" * 241, "a?b", "a*"),
        unicodedata.normalize("NFD", "é.py"),
    ],
)
def test_a_path_that_some_machine_reads_otherwise_is_refused(path: str) -> None:
    with pytest.raises(BundlePathRefused):
        check_path(path)


@pytest.mark.parametrize("path", ["a.py", "a/b/c.txt", ".github/x", "é.py", "a b.py", "CONSOLE.md"])
def test_an_ordinary_path_passes(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "paths",
    [["a", "a"], ["a", "A"], ["a/b", "a"], ["a", "A/b"], ["ß", "ss"], ["x/y/z", "x/y"]],
)
def test_two_paths_that_may_be_one_file_are_refused(paths: list[str]) -> None:
    with pytest.raises(BundlePathRefused):
        check_paths((path, 1) for path in paths)


def test_an_endless_list_is_refused_and_not_read_to_its_end() -> None:
    with pytest.raises(BundleTooLarge):
        check_paths((f"f{number}", 0) for number in count())


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(BundleTooLarge):
        check_paths([("a", LARGEST_FILE + 1)])
    with pytest.raises(BundleTooLarge):
        check_paths(
            (f"f{number}", LARGEST_FILE) for number in range(LARGEST_BUNDLE // LARGEST_FILE + 1)
        )


@given(st.lists(st.tuples(st.text(max_size=12), st.integers(0, 100)), max_size=8))
def test_what_passes_has_no_two_equal_paths(entries: list[tuple[str, int]]) -> None:
    try:
        check_paths(entries)
    except (BundlePathRefused, BundleTooLarge):
        return
    folded = [path.casefold() for path, _ in entries]
    assert len(set(folded)) == len(folded)
    assert not any(part in {"", ".", ".."} for path in folded for part in path.split("/"))
