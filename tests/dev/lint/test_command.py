import re
from pathlib import Path

import pytest

from dev.lint.__main__ import main

_LINE = re.compile(r"\S+:\d+:\d+: SEA\d{3} [^;]+; [^;]+; [^;]+")
_ROOM = '"""A room for the test."""\n'


def house(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"__init__.py": _ROOM, "kit/__init__.py": _ROOM, **files}.items():
        path = root / "src/seatrial" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "src"


def test_a_clean_house_leaves_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(house(tmp_path, {}))]) == 0
    assert capsys.readouterr() == ("", "")


def test_each_finding_is_one_line_that_tells_place_what_why_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    src = house(tmp_path, {"kit/ids.py": "import os, time\ntime.time()\nos.environ\n"})
    assert main([str(src)]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines
    assert all(_LINE.fullmatch(line) for line in lines)
    assert f"{src}/seatrial/kit/ids.py:2:1: SEA002" in out
    assert "docs/reference/lint.md" in err


def test_a_folder_without_its_init_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    src = house(tmp_path, {"cell/runs/service.py": ""})
    assert main([str(src)]) == 1
    out = capsys.readouterr().out
    for folder in ("cell", "cell/runs"):
        assert f"{src}/seatrial/{folder}/__init__.py:1:1: SEA005" in out


def test_one_file_can_be_linted_alone(tmp_path: Path) -> None:
    src = house(tmp_path, {"kit/ids.py": "import os\nos.environ\n"})
    assert main([str(src / "seatrial/__init__.py")]) == 0
    assert main([str(src / "seatrial/kit/ids.py")]) == 1


def test_broken_python_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src = house(tmp_path, {"kit/ids.py": "def f(:\n"})
    assert main([str(src)]) == 1
    assert "ids.py:1:7: SEA000 the file is no Python" in capsys.readouterr().out


def test_a_path_outside_the_house_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text("")
    assert main([str(tmp_path / "a.py")]) == 2
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("dev.lint: ") == 2


def test_findings_come_in_the_same_order_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    src = house(
        tmp_path,
        {"kit/b.py": "LIMIT = 1\n", "kit/a.py": "import os\nos.environ\nLIMIT = 1\n"},
    )
    main([str(src)])
    first = capsys.readouterr().out
    main([str(src)])
    assert capsys.readouterr().out == first
    places = [line.split(": ")[0] for line in first.splitlines()]
    assert places == sorted(places)
