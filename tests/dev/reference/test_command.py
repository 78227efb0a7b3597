from pathlib import Path

import pytest

from dev.reference.__main__ import main
from dev.reference.page import Page

_PAGES = (
    Page(path="docs/a.md", render=lambda: "one\n"),
    Page(path="docs/b.svg", render=lambda: "two\n"),
)


def test_writing_makes_every_page_and_a_check_then_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], root=tmp_path, pages=_PAGES) == 0
    assert (tmp_path / "docs/a.md").read_text() == "one\n"
    assert capsys.readouterr().out == "wrote docs/a.md\nwrote docs/b.svg\n"
    assert main(["--check"], root=tmp_path, pages=_PAGES) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["one \n", "one\r\n", ""])
def test_a_check_names_each_stale_page_and_the_remedy_and_writes_nothing(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([], root=tmp_path, pages=_PAGES)
    (tmp_path / "docs/a.md").write_bytes(text.encode())
    capsys.readouterr()
    assert main(["--check"], root=tmp_path, pages=_PAGES) == 1
    err = capsys.readouterr().err
    assert "docs/a.md: stale" in err
    assert "docs/b.svg" not in err
    assert err.endswith("remedy: make reference\n")
    assert (tmp_path / "docs/a.md").read_bytes() == text.encode()


def test_a_missing_page_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], root=tmp_path, pages=_PAGES) == 1
    assert capsys.readouterr().err.count(": stale") == 2


def test_a_fresh_page_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], root=tmp_path, pages=_PAGES)
    capsys.readouterr()
    (tmp_path / "docs/b.svg").unlink()
    main([], root=tmp_path, pages=_PAGES)
    assert capsys.readouterr().out == "wrote docs/b.svg\n"
