"""The page of figures is what Prometheus reads."""

import pytest

from seatrial.kit.metrics import Kind, Metric, Sample, counter, gauge, rendered


def test_a_page_has_help_type_and_value_of_each() -> None:
    page = rendered(
        [
            gauge("seatrial_up", "Whether it is up.", 1),
            counter("seatrial_runs_total", "Runs.", 3, state="succeeded"),
            Metric(name="empty_total", meaning="Nothing yet.", kind=Kind.COUNTER, samples=()),
        ]
    )
    assert page.decode() == (
        "# HELP seatrial_up Whether it is up.\n# TYPE seatrial_up gauge\nseatrial_up 1\n"
        "# HELP seatrial_runs_total Runs.\n# TYPE seatrial_runs_total counter\n"
        'seatrial_runs_total{state="succeeded"} 3\n'
        "# HELP empty_total Nothing yet.\n# TYPE empty_total counter\n"
    )


def test_a_label_from_outside_cannot_add_a_line() -> None:
    evil = Sample(value=0.25, labels={"agent": 'x"} 9\nfake 1 \\'})
    page = rendered([Metric(name="a", meaning="b\nc", kind=Kind.GAUGE, samples=(evil,))]).decode()
    assert page.count("\n") == 3
    assert page.splitlines()[2] == 'a{agent="x\\"} 9\\nfake 1 \\\\"} 0.25'


@pytest.mark.parametrize("name", ["", "A", "a-b", "a b", "1a"])
def test_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        rendered([gauge(name, "", 1)])
