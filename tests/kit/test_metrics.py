import math

from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.metrics import (
    Family,
    Histogram,
    MetricKind,
    Sample,
    counter,
    gauge,
    rendered,
)


def test_a_page_is_what_a_collector_reads() -> None:
    families = [
        counter("a_total", "How many.", {("x", "y"): 3, ("x", "b"): 0.5}, "one", "two"),
        gauge("b", "Now.", {(): 7}),
        counter("c_total", "None yet.", {}, "one"),
    ]
    assert rendered(families).decode().splitlines() == [
        "# HELP a_total How many.",
        "# TYPE a_total counter",
        'a_total{one="x",two="b"} 0.5',
        'a_total{one="x",two="y"} 3',
        "# HELP b Now.",
        "# TYPE b gauge",
        "b 7",
        "# HELP c_total None yet.",
        "# TYPE c_total counter",
    ]


@given(st.text())
def test_no_label_breaks_its_line(text: str) -> None:
    family = Family(
        name="a",
        kind=MetricKind.GAUGE,
        about=text,
        samples=(Sample(value=1, labels={"l": text}),),
    )
    lines = rendered([family]).decode(errors="surrogatepass").split("\n")
    assert len(lines) == 4
    quoted = lines[2].removeprefix('a{l="').removesuffix('"} 1')
    assert quoted.replace(r"\\", "\0").replace(r"\"", '"').replace(r"\n", "\n") == text.replace(
        "\\", "\0"
    )


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_each_value_in_every_bucket_that_holds_it(values: list[float]) -> None:
    histogram = Histogram((0.1, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    *buckets, total, count = histogram.samples({"lane": "batch"})
    bounds = (0.1, 1.0, 10.0, math.inf)
    assert [each.value for each in buckets] == [
        sum(value <= bound for value in values) for bound in bounds
    ]
    assert [each.labels["le"] for each in buckets] == ["0.1", "1", "10", "+Inf"]
    assert count.value == len(values)
    assert math.isclose(total.value, sum(values))
