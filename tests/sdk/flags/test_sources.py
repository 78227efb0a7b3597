import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.sdk.flags.sources import FileSource, TextSource

Heard = queue.Queue[bytes | str]


@pytest.fixture
def heard() -> Heard:
    return queue.Queue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


@pytest.fixture
def source(path: Path) -> Iterator[FileSource]:
    source = FileSource(path, poll_seconds=0.01)
    yield source
    source.close()


def replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_the_first_text_is_delivered_before_open_returns(
    source: FileSource, path: Path, heard: Heard
) -> None:
    path.write_text("one")
    source.open(heard.put, heard.put)
    assert heard.get_nowait() == b"one"


def test_each_change_is_delivered_once_however_it_is_written(
    source: FileSource, path: Path, heard: Heard
) -> None:
    path.write_text("one")
    source.open(heard.put, heard.put)
    replace(path, "two")
    assert [heard.get(timeout=10) for _ in range(2)] == [b"one", b"two"]
    with path.open("r+") as file:
        file.write("TWO")
    assert heard.get(timeout=10) == b"TWO"
    assert heard.empty()


def test_a_file_that_is_not_there_is_told_once_and_delivered_when_it_comes(
    source: FileSource, path: Path, heard: Heard
) -> None:
    source.open(heard.put, heard.put)
    told = heard.get_nowait()
    assert isinstance(told, str)
    assert "flags.json" in told
    replace(path, "one")
    assert heard.get(timeout=10) == b"one"
    path.unlink()
    assert heard.get(timeout=10) == told
    replace(path, "one")
    assert heard.get(timeout=10) == b"one"


def test_after_close_nothing_is_told_and_no_thread_is_left(
    source: FileSource, path: Path, heard: Heard
) -> None:
    path.write_text("one")
    source.open(heard.put, heard.put)
    source.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "seatrial-flags"]
    assert heard.get_nowait() == b"one"
    source.open(heard.put, heard.put)
    assert heard.get_nowait() == b"one"


def test_a_listener_may_close_the_source(source: FileSource, path: Path, heard: Heard) -> None:
    path.write_text("one")
    closed = threading.Event()

    def deliver(text: bytes) -> None:
        heard.put(text)
        if text == b"two":
            source.close()
            closed.set()

    source.open(deliver, heard.put)
    replace(path, "two")
    assert closed.wait(10)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_file_is_not_read_without_pause(path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="intervals above 0"):
        FileSource(path, poll_seconds=seconds)


def test_a_text_is_delivered_at_once(heard: Heard) -> None:
    for text in ("é", "é".encode()):
        source = TextSource(text)
        source.open(heard.put, heard.put)
        source.close()
        assert heard.get_nowait() == "é".encode()
