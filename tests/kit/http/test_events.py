import itertools
import re
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.kit.http.events import (
    HEARTBEAT,
    Event,
    EventParser,
    EventTooLarge,
    encode,
    encode_retry,
)


@dataclass
class _Reading:
    events: list[Event]
    last_id: str
    retry: int | None


def _by_the_book(raw: bytes) -> _Reading:
    """The standard's algorithm over the whole text, written for likeness to it, not for speed."""
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split(r"\r\n|\n|\r", text)[:-1]
    data, kind, id_, reading = "", "", "", _Reading([], "", None)
    for line in lines:
        if line == "":
            reading.last_id = id_
            if data != "":
                reading.events.append(
                    Event(data=data.removesuffix("\n"), event=kind or "message", id=id_)
                )
            data, kind = "", ""
        elif line.startswith(":"):
            continue
        else:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value + "\n"
            elif name == "id" and "\0" not in value:
                id_ = value
            elif name == "retry" and re.fullmatch("[0-9]+", value):
                reading.retry = int(value)
    return reading


def _parsed(chunks: list[bytes]) -> _Reading:
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return _Reading(events, parser.last_id, parser.retry)


FRAGMENTS = st.sampled_from(
    [
        b"data", b"event", b"id", b"retry", b"dat", b":", b": ", b":  ", b" ", b"\n", b"\r",
        b"\r\n", b"\n\n", b"x", b"17", b"1a", b"\0", b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xff",
        "ü€🙂".encode(), "🙂".encode()[:2], b"data: a\n", b"id: 7\n", b"event: e\n", b"\x0b",
        b"\x0c", b"\x1c", "\u2028".encode(), "\x85".encode(), b"retry: 5\n", b": comment\n",
    ]
)  # fmt: skip
STREAMS = st.lists(FRAGMENTS, max_size=30).map(b"".join) | st.binary(max_size=60)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
@example(b"data: a\r\n\r\ndata: b\n\n", [8, 9, 10])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
@example(b"data: a\r\r\n\n", [8])
def test_wherever_a_stream_is_cut_its_events_are_those_of_the_standard(
    raw: bytes, cuts: list[int]
) -> None:
    at = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    chunks = [raw[a:b] for a, b in itertools.pairwise(at)]
    assert _parsed(chunks) == _by_the_book(raw)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_single_cut_and_each_chunk_size_reads_alike(size: int) -> None:
    raw = (
        b"\xef\xbb\xbf: hello\r\nid: 1\r\nevent: add\r\ndata: a\r\ndata:  b\r\n\r\n"
        b'retry: 1500\rdata\r\rid: 2\ndata: {"x": "\xc3\xbc\xf0\x9f\x99\x82"}\n\n'
        b"id\ndata:x\n\n:\n\ndata: never finished\n"
    )  # fmt: skip
    whole = _by_the_book(raw)
    assert whole.events == [
        Event(data="a\n b", event="add", id="1"),
        Event(data="", id="1"),
        Event(data='{"x": "ü🙂"}', id="2"),
        Event(data="x", id=""),
    ]
    assert _parsed([raw[i : i + size] for i in range(0, len(raw), size)]) == whole
    for cut in range(len(raw) + 1):
        assert _parsed([raw[:cut], raw[cut:]]) == whole


def test_an_id_counts_only_once_its_event_is_whole() -> None:
    parser = EventParser()
    parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    assert parser.last_id == "1"


TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\0: "))


@given(st.lists(st.builds(lambda d, e, i: Event(data=d, event=e, id=i), TEXT, TEXT, TEXT)))
def test_what_is_encoded_reads_back_with_line_breaks_as_line_feeds(events: list[Event]) -> None:
    read = _parsed([encode(event) for event in events]).events
    assert [event.data for event in read] == [
        re.sub("\r\n|\r", "\n", event.data) for event in events
    ]
    assert [event.event for event in read] == [
        re.sub("[\r\n\0]", "", event.event) or "message" for event in events
    ]


@given(TEXT, TEXT, TEXT)
@example("a", "b", "1\ndata: forged\n\n")
@example("a", "b\rretry: 1\r\r", "1")
@example("a\r\revent: forged", "b", "1")
def test_nothing_in_an_event_can_forge_another(data: str, kind: str, id_: str) -> None:
    read = _parsed([encode(Event(data=data, event=kind, id=id_)), encode(Event(data="next"))])
    assert [event.data for event in read.events] == [re.sub("\r\n|\r", "\n", data), "next"]
    assert read.retry is None


def test_a_heartbeat_and_a_retry_are_no_events() -> None:
    reading = _parsed([HEARTBEAT, encode_retry(2500), HEARTBEAT])
    assert reading == _Reading([], "", 2500)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_endless_event_is_refused(end: bytes) -> None:
    parser = EventParser(limit=1000)
    fed = 0

    def feed() -> None:
        nonlocal fed
        while fed < 10_000:
            fed += 14
            parser.feed(b"data: 12345678" + end)

    with pytest.raises(EventTooLarge):
        feed()
    assert fed < 2000


def test_many_small_events_pass_any_limit() -> None:
    parser = EventParser(limit=100)
    assert sum(len(parser.feed(b": c\ndata: 1234567890\n\n")) for _ in range(1000)) == 1000
