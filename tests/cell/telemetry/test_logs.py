import asyncio
import contextlib
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from seatrial.cell.hosts.domain import LogLine, Stream
from seatrial.cell.telemetry.service import logs
from seatrial.cell.telemetry.service.logs import FILE, LogBook, LogFilter, printed
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.log import Redactor
from tests.cell.door.cells import in_a_loop

LOGGER = logging.getLogger("tests.cell.telemetry")
EVERYTHING = LogFilter()


@contextlib.contextmanager
def book(folder: Path, redactor: Redactor | None = None) -> Iterator[LogBook]:
    made = LogBook(folder, redactor or Redactor())
    root = logging.getLogger()
    before = root.level
    root.addHandler(made)
    root.setLevel(logging.INFO)
    try:
        yield made
    finally:
        root.setLevel(before)
        root.removeHandler(made)
        made.close()


def _messages(found: list[tuple[int, str]]) -> list[str]:
    return [orjson.loads(line)["message"] for _, line in found]


def test_the_newest_lines_are_at_hand_in_order(tmp_path: Path) -> None:
    with book(tmp_path) as kept:
        for number in range(10):
            LOGGER.info("line %d", number)
        assert _messages(kept.newest(EVERYTHING, 3)) == ["line 7", "line 8", "line 9"]


def test_lines_are_found_by_agent_run_and_level(tmp_path: Path) -> None:
    with book(tmp_path) as kept:
        LOGGER.info("a", extra={"agent": "support", "run": "run_1"})
        LOGGER.warning("b", extra={"agent": "support", "run": "run_2"})
        LOGGER.error("c", extra={"agent": "sales"})
        assert _messages(kept.newest(LogFilter(agent="support"), 9)) == ["a", "b"]
        assert _messages(kept.newest(LogFilter(run="run_2"), 9)) == ["b"]
        assert _messages(kept.newest(LogFilter(level="warning"), 9)) == ["b", "c"]


def test_what_agents_print_is_on_the_log_and_can_be_left_out(tmp_path: Path) -> None:
    line = LogLine(
        release=Digest.of(b""), slot="s", run="run_1", stream=Stream.ERROR, text="100% %s"
    )
    with book(tmp_path) as kept:
        LOGGER.info("own")
        printed(line, "support")
        assert _messages(kept.newest(LogFilter(agent="support", run="run_1"), 9)) == ["100% %s"]
        assert _messages(kept.newest(LogFilter(printed=False), 9)) == ["own"]


def test_no_secret_is_in_memory_or_in_the_file(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add("pk-live-0123456789")
    with book(tmp_path, redactor) as kept:
        LOGGER.info("key %s", "pk-live-0123456789")
        assert "pk-live" not in str(kept.newest(EVERYTHING, 9))
    assert "pk-live" not in (tmp_path / FILE).read_text()


def test_the_file_holds_a_json_line_for_each_and_is_its_owners_alone(tmp_path: Path) -> None:
    with book(tmp_path / "logs"):
        LOGGER.info("one\ntwo")
    path = tmp_path / "logs" / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [orjson.loads(line)["message"] for line in path.read_text().splitlines()] == ["one\ntwo"]


def test_the_file_is_turned_over_before_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LARGEST_FILE", 2_000)
    with book(tmp_path):
        for _ in range(200):
            LOGGER.info("x" * 100)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    assert all(path.stat().st_size <= 2_000 for path in files)


def test_a_disk_that_takes_nothing_ends_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE).mkdir()
    with book(tmp_path) as kept:
        LOGGER.info("still here")
        assert _messages(kept.newest(EVERYTHING, 9)) == ["still here"]
    assert "Traceback" not in capfd.readouterr().err


@in_a_loop
async def test_a_follower_gets_each_line_from_any_thread(tmp_path: Path) -> None:
    with book(tmp_path) as kept:
        LOGGER.info("before")
        following = kept.follow(LogFilter(level="info"), kept.last)
        found = []

        def speak() -> None:
            for number in range(100):
                LOGGER.info("line %d", number)

        speaker = threading.Thread(target=speak)
        async with asyncio.timeout(10):
            first = asyncio.ensure_future(anext(following))
            await asyncio.sleep(0)
            speaker.start()
            found.append(await first)
            while len(found) < 100:
                found.append(await anext(following))
        speaker.join()
        assert _messages(found) == [f"line {number}" for number in range(100)]
        await following.aclose()  # type: ignore[attr-defined]  # a generator can be closed
