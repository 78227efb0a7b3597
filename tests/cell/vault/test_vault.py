import asyncio
import functools
import io
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import pytest
from sqlalchemy import select, text

from seatrial.cell.vault.domain import (
    SecretMissing,
    SecretNameMalformed,
    SecretUnfit,
    SecretUnknown,
)
from seatrial.cell.vault.service import KEY_FILE, Vault, cipher_of
from seatrial.cell.vault.store import HISTORY, SECRET
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.rows import (
    RowCipher,
    RowKeyUnknown,
    RowMalformed,
    RowRefused,
    WrappingKey,
)
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.log import Redactor, configure
from seatrial.kit.transparency.service import every_entry
from seatrial.kit.transparency.store import HISTORY as LOG

_P = ParamSpec("_P")
VALUE = "pk-live-0123456789abcdef"
CLOCK = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
KEY = WrappingKey.generate()


def in_a_loop(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def _vault(database: Database, **others: Any) -> Vault:
    migrate_now(database, [LOG, HISTORY])
    settings: dict[str, Any] = {
        "environment": "staging",
        "cipher": RowCipher(KEY),
        "redactor": Redactor(),
        "clock": CLOCK,
    }
    return Vault(database, **(settings | others))


async def _row(database: Database) -> str:
    return await database.read(
        lambda connection: str(connection.execute(select(SECRET.c.sealed)).scalar_one())
    )


async def _change(database: Database, **values: str) -> None:
    def use_case(connection: Connection) -> None:
        connection.execute(SECRET.update().values(values))

    await database.write(use_case)


@in_a_loop
async def test_a_secret_that_was_set_is_told_to_a_call_that_needs_it(database: Database) -> None:
    vault = _vault(database)
    assert await vault.put("openai", VALUE, author="tok_1") == 1
    assert await vault.secret("openai") == VALUE
    (known,) = await vault.listed()
    assert (known.name, known.version, known.author) == ("openai", 1, "tok_1")


@in_a_loop
async def test_setting_again_rotates_and_keeps_the_one_before(database: Database) -> None:
    vault = _vault(database)
    for number in range(1, 5):
        assert await vault.put("openai", f"{VALUE}-{number}", author="tok_1") == number
    assert await vault.secret("openai") == f"{VALUE}-4"
    kept = await database.read(
        lambda connection: list(connection.execute(select(SECRET.c.version)).scalars())
    )
    assert sorted(kept) == [3, 4]


@in_a_loop
async def test_a_rotation_in_another_process_counts_soon(database: Database) -> None:
    here, elsewhere = _vault(database), _vault(database)
    await here.put("openai", VALUE, author="x")
    assert await elsewhere.secret("openai") == VALUE
    await here.put("openai", f"{VALUE}-2", author="x")
    CLOCK.advance(0.5)
    assert await elsewhere.secret("openai") == f"{VALUE}-2"


@in_a_loop
async def test_what_was_removed_is_gone(database: Database) -> None:
    vault = _vault(database)
    await vault.put("openai", VALUE, author="x")
    await vault.secret("openai")
    await vault.remove("openai", author="tok_1")
    with pytest.raises(SecretMissing):
        await vault.secret("openai")
    records = await database.read(lambda connection: [*every_entry(connection)])
    assert [(each.kind, each.subject, each.actor) for each in records] == [
        ("secret.set", "openai", "x"),
        ("secret.removed", "openai", "tok_1"),
    ]
    assert VALUE not in "".join(each.body for each in records)
    with pytest.raises(SecretUnknown):
        await vault.remove("openai", author="tok_1")


@pytest.mark.parametrize("name", ["", "1st", "a b", "a/b", "ä", "x" * 121])
@in_a_loop
async def test_a_name_is_one_that_stands_in_a_url(sqlite_url: str, name: str) -> None:
    with Database.open(sqlite_url) as database:
        vault = _vault(database)
        with pytest.raises(SecretNameMalformed):
            await vault.put(name, VALUE, author="x")
        with pytest.raises(SecretNameMalformed):
            await vault.remove(name, author="tok_1")


@pytest.mark.parametrize("value", ["s-1", "x" * 65_537, f" {VALUE}", f"{VALUE}\n"])
@in_a_loop
async def test_an_unfit_value_is_refused_unquoted(sqlite_url: str, value: str) -> None:
    with Database.open(sqlite_url) as database:
        with pytest.raises(SecretUnfit) as caught:
            await _vault(database).put("openai", value, author="x")
        assert value not in str(caught.value)


@in_a_loop
async def test_a_row_opens_in_its_environment_alone(database: Database) -> None:
    await _vault(database, environment="staging").put("openai", VALUE, author="x")
    with pytest.raises(RowRefused):
        await _vault(database, environment="production").secret("openai")
    with pytest.raises(RowKeyUnknown):
        await _vault(database, cipher=RowCipher(WrappingKey.generate())).secret("openai")


@in_a_loop
async def test_a_row_that_was_altered_or_moved_does_not_open(database: Database) -> None:
    vault = _vault(database)
    await vault.put("openai", VALUE, author="x")
    sealed = await _row(database)
    raw = bytearray(from_base64(sealed))
    raw[-1] ^= 1
    await _change(database, sealed=to_base64(bytes(raw)))
    with pytest.raises(RowRefused):
        await vault.secret("openai")
    await _change(database, sealed=sealed[:-3])
    with pytest.raises(RowMalformed):
        await _vault(database).secret("openai")
    await _change(database, sealed=sealed)
    await _change(database, name="anthropic")
    with pytest.raises(RowRefused):
        await vault.secret("anthropic")


@in_a_loop
async def test_no_value_is_in_the_database_or_a_log_line(database: Database) -> None:
    redactor = Redactor()
    vault = _vault(database, redactor=redactor)
    await vault.put("openai", VALUE, author="x")
    dump = await database.read(
        lambda connection: str(connection.execute(text("select * from secret")).all())
    )
    assert VALUE not in dump
    lines = io.StringIO()
    configure("info", as_json=True, redactor=redactor, stream=lines)
    logging.getLogger("somebody").warning("key %s", VALUE)
    assert VALUE not in lines.getvalue()
    assert "[redacted]" in lines.getvalue()


@in_a_loop
async def test_the_log_knows_every_value_from_the_start_on(database: Database) -> None:
    first = _vault(database)
    await first.put("openai", f"{VALUE}-old", author="x")
    await first.put("openai", VALUE, author="x")
    redactor = Redactor()
    await _vault(database, redactor=redactor).open()
    assert VALUE not in redactor(f"{VALUE} {VALUE}-old")


@in_a_loop
async def test_after_a_rotation_of_the_wrapping_key_the_old_one_is_not_needed(
    database: Database,
) -> None:
    fresh = WrappingKey.generate()
    await _vault(database).put("openai", VALUE, author="x")
    both = _vault(database, cipher=RowCipher(fresh, [KEY]))
    assert await both.rewrap() == 1
    assert await both.rewrap() == 0
    assert await _vault(database, cipher=RowCipher(fresh)).secret("openai") == VALUE


def test_the_wrapping_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    cipher_of(folder)
    made = (folder / KEY_FILE).read_bytes()
    assert (folder / KEY_FILE).stat().st_mode & 0o077 == 0
    cipher_of(folder)
    assert (folder / KEY_FILE).read_bytes() == made
