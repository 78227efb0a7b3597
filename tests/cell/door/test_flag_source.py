import asyncio
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.door.flag_source import FlagFile, ServedFlags, edition
from seatrial.contract.flags.findings import FlagsInvalid
from seatrial.contract.flags.splits import Generation
from seatrial.kit.clock import VirtualClock
from tests.cell.door.serving import FLAGS, edited, written

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EDITED = edited(retries={"state": "ENABLED", "variants": {"many": 9}, "defaultVariant": "many"})


def _source(file: Path) -> FlagFile:
    return FlagFile(file, generation=Generation.V2, clock=VirtualClock(NOON))


def _retries(source: FlagFile) -> Any:
    return source.flags.current.definition.evaluate("retries", {}, 0).value


def _in_place(file: Path, text: str) -> None:
    file.write_text(text)


def _replaced(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def _renamed(file: Path, text: str) -> None:
    file.rename(file.with_suffix(".bak"))
    file.write_text(text)


def _linked(file: Path, text: str) -> None:
    other = file.with_suffix(".v2")
    other.write_text(text)
    file.unlink()
    file.symlink_to(other)


def _with_old_times(file: Path, text: str) -> None:
    before = file.stat()
    file.write_text(text.ljust(before.st_size))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("edit", [_in_place, _replaced, _renamed, _linked, _with_old_times])
def test_an_edit_is_served_however_it_was_made(
    tmp_path: Path, edit: Callable[[Path, str], None]
) -> None:
    source = _source(written(tmp_path))
    assert _retries(source) == 2
    edit(tmp_path / "flags.json", json.dumps(EDITED))
    asyncio.run(source.look())
    assert _retries(source) == 9


def test_a_broken_edit_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path)
    source = _source(file)
    file.write_text('{"flags": {"retries": {}}}')
    asyncio.run(source.look())
    assert not caplog.records  # somebody may still be writing
    for _ in range(3):
        asyncio.run(source.look())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "/flags/retries/" in record.message
    assert (_retries(source), source.stale) == (2, True)
    file.write_text(json.dumps(EDITED))
    asyncio.run(source.look())
    assert (_retries(source), source.stale) == (9, False)


def test_a_file_that_vanishes_is_told_once_and_followed_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path)
    source = _source(file)
    file.unlink()
    for _ in range(3):
        asyncio.run(source.look())
    assert (_retries(source), source.stale, len(caplog.records)) == (2, True, 1)
    file.write_text(json.dumps(EDITED))
    asyncio.run(source.look())
    assert (_retries(source), source.stale) == (9, False)


def test_an_edit_that_changes_no_flag_is_no_news(tmp_path: Path) -> None:
    file = written(tmp_path)
    source = _source(file)
    before = source.flags.current
    file.write_text(json.dumps(FLAGS, indent=2))
    asyncio.run(source.look())
    assert source.flags.current is before


def test_metadata_of_the_whole_is_news_even_without_flags(tmp_path: Path) -> None:
    file = written(tmp_path, {"flags": {}})
    source = _source(file)
    file.write_text('{"flags": {}, "metadata": {"version": "2"}}')
    asyncio.run(source.look())
    assert source.flags.current.definition.metadata == {"version": "2"}


def test_a_file_that_is_no_definition_is_not_served_at_all(tmp_path: Path) -> None:
    with pytest.raises(FlagsInvalid):
        _source(written(tmp_path, {"flags": []}))


def test_an_edit_that_begins_to_split_users_waits_for_a_generation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path, {"flags": {}})
    source = FlagFile(file, generation=None, clock=VirtualClock(NOON))
    written(tmp_path)
    for _ in range(2):
        asyncio.run(source.look())
    assert "'arm' splits users" in caplog.text
    assert (len(source.flags.current.definition.flags), source.stale) == (0, True)


def test_the_log_names_the_first_few_of_many_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = _source(written(tmp_path))
    written(tmp_path, {"flags": {}})
    with caplog.at_level(logging.INFO):
        asyncio.run(source.look())
    assert caplog.messages[0].endswith("'left-to-code' and 5 more")


def test_the_watch_looks_again_after_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = _source(written(tmp_path))
    looks: list[int] = []

    async def look() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            raise ZeroDivisionError
        raise asyncio.CancelledError

    monkeypatch.setattr(source, "look", look)
    monkeypatch.setattr(source, "_clock", _NoWait(NOON))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(source.watch())
    assert looks == [0, 1]
    assert caplog.records[0].exc_info


class _NoWait(VirtualClock):
    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


def test_an_etag_names_the_text_and_the_generation() -> None:
    text, other = json.dumps(FLAGS).encode(), json.dumps(EDITED).encode()
    etags = {
        edition(each, generation=generation, now=NOON).etag
        for each in (text, text, other)
        for generation in Generation
    }
    assert len(etags) == 4


def test_who_waits_for_another_edition_is_told_of_it() -> None:
    first, second = (
        edition(json.dumps(each).encode(), generation=Generation.V2, now=NOON)
        for each in (FLAGS, EDITED)
    )

    async def main() -> None:
        flags = ServedFlags(first)
        assert await flags.other_than(None) is first
        assert await flags.other_than(second.etag) is first
        waiting = [asyncio.create_task(flags.other_than(first.etag)) for _ in range(3)]
        await asyncio.sleep(0)
        flags.put(first)  # woken for nothing, they go on waiting
        await asyncio.sleep(0)
        flags.put(second)
        assert await asyncio.gather(*waiting) == [second] * 3

    asyncio.run(main())
