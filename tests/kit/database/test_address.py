from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.database.address import PostgresAddress, SqliteAddress, parse
from seatrial.kit.database.errors import DatabaseUrlInvalid


def test_an_sqlite_url_names_a_file_by_its_true_path(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert parse(f"sqlite:///{tmp_path}/link/x.db") == SqliteAddress(path=real / "x.db")


def test_a_relative_path_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("sqlite:///x.db") == SqliteAddress(path=tmp_path / "x.db")


def test_a_postgresql_url_becomes_what_libpq_takes() -> None:
    address = parse("postgres://ann:p%40ss@db.example:5433/cell?sslmode=verify-full")
    assert isinstance(address, PostgresAddress)
    assert address.parameters == {
        "user": "ann",
        "password": "p@ss",
        "host": "db.example",
        "port": "5433",
        "dbname": "cell",
        "sslmode": "verify-full",
    }
    assert str(address) == "postgresql://ann@db.example:5433/cell"


def test_several_servers_may_be_named() -> None:
    address = parse("postgresql:///cell?host=a&host=b&port=1&port=2&target_session_attrs=any")
    assert isinstance(address, PostgresAddress)
    assert (address.parameters["host"], address.parameters["port"]) == ("a,b", "1,2")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not a URL"),
        ("cell.db", "not a URL"),
        ("postgresql://h:port/db", "not a URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite://host/x.db", "three slashes"),
        ("sqlite:///x.db?mode=ro", "nothing else"),
        ("sqlite:///a%00b", "NUL"),
        ("postgresql+asyncpg://h/db", "name no driver"),
        ("mysql://h/db", "neither"),
        ("postgresql:///db", "names no host"),
        ("postgresql://h", "names no database"),
        ("postgresql://h/db?nonsense=1", "nonsense"),
        ("postgresql://h/db?sslmode=a&sslmode=b", "given twice"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=reason):
        parse(url)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_password_is_never_shown(tail: str) -> None:
    password = f"hush{tail}"
    for url in (
        f"postgresql://ann:{quote(password, safe='')}@h/db",
        f"postgresql://ann@h/db?password={quote(password, safe='')}",
    ):
        address = parse(url)
        assert isinstance(address, PostgresAddress)
        assert address.parameters["password"] == password
        assert "hush" not in f"{address} {address!r}"
        assert "hush" not in address.without_secrets(f"driver: {password!s} is wrong")


@given(st.text(st.characters(codec="utf-8")))
def test_a_url_that_is_refused_does_not_show_its_password(tail: str) -> None:
    for url in (
        f"postgresql://ann:hush{tail}@h:port/db",
        f"oracle://ann:hush{tail}@h/db",
        f"postgresql://ann:hush{tail}@/db",
    ):
        try:
            parse(url)
        except DatabaseUrlInvalid as error:
            assert "hush" not in f"{error} {error.__cause__} {error.fields}"  # noqa: PT017 - it need not be refused
