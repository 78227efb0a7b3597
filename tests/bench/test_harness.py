import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness import ROOT, Comparison, Contender, Round, measure, save, summed_up, table
from bench.work import Batch, Work

_TIMES = st.floats(0.1, 1e6)


def nothing() -> Iterator[Work]:
    yield lambda: 1000


def latencies() -> Iterator[Work]:
    yield lambda: Batch(100, latencies_us=[float(n) for n in range(100)])


def broken() -> Iterator[Work]:
    yield lambda: 1 // 0


def _round(us: float) -> Round:
    return Round(operations=1, cpu_us=us, wall_us=us)


@given(st.lists(_TIMES, min_size=1, max_size=9), st.floats(0.01, 100))
def test_a_machine_that_drifts_between_rounds_does_not_move_a_ratio(
    floor: list[float], factor: float
) -> None:
    rows = summed_up(
        {"floor": [_round(us) for us in floor], "ours": [_round(us * factor) for us in floor]}
    )
    assert rows[0].cpu_ratio == 1.0
    assert rows[1].cpu_ratio == pytest.approx(factor)
    assert rows[1].wall_ratio == pytest.approx(factor)


def test_one_bad_round_of_five_does_not_move_a_ratio() -> None:
    rows = summed_up(
        {
            "floor": [_round(10)] * 5,
            "ours": [_round(20), _round(20), _round(9000), _round(20), _round(20)],
        }
    )
    assert rows[1].cpu_ratio == 2.0


def _comparison(*names: str) -> Comparison:
    module = "tests.bench.test_harness"
    contenders = tuple(Contender(name=name, target=f"{module}:{name}") for name in names)
    return Comparison(name="toy", question="Is it?", operation="thing", contenders=contenders)


def test_contenders_run_in_processes_of_their_own_and_come_back_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = _comparison("nothing", "latencies")
    rows = measure(comparison, rounds=2)
    assert [row.name for row in rows] == ["nothing", "latencies"]
    assert (rows[1].p50_us, rows[1].p99_us) == (50.0, 99.0)
    assert len(rows[0].rounds) == 2
    text = table(comparison, rows)
    assert "| nothing |" in text
    assert "things/s" in text
    monkeypatch.setattr("bench.harness.RESULTS", tmp_path)
    save(comparison, rows)
    assert {path.name for path in tmp_path.iterdir()} == {"toy.json", "toy.md"}


def test_a_contender_that_fails_stops_the_run_with_its_reason() -> None:
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        measure(_comparison("broken"), rounds=1)


def test_an_unknown_comparison_names_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "nope"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "start" in done.stderr
