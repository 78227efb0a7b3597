import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.kit.http.listening import (
    AddressInUse,
    AddressUnusable,
    address_of,
    listen,
    listen_unix,
)
from tests.kit.http.peers import open_files


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not `tmp_path`: a Unix socket's path has about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="sea") as made:
        yield Path(made)


def test_port_zero_takes_a_free_port_and_tells_which() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", address_of(listener))


def test_an_address_in_ipv6_is_written_in_brackets() -> None:
    try:
        listener = listen("::1", 0)
    except AddressUnusable:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert address_of(listener).startswith("http://[::1]:")


def test_a_port_in_use_is_named_with_a_remedy() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(AddressInUse) as caught:
            listen("127.0.0.1", port)
    assert f"127.0.0.1:{port}" in caught.value.message
    assert "http.port" in caught.value.remedy


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a..b", "ü" * 300])
def test_an_address_of_another_machine_is_refused_with_the_reason(host: str) -> None:
    with pytest.raises(AddressUnusable):
        listen(host, 0)


def test_small_answers_are_not_delayed_and_dead_readers_not_kept() -> None:
    with listen("127.0.0.1", 0) as listener, socket.socket() as client:
        client.connect(listener.getsockname())  # before anybody accepts
        listener.settimeout(5)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0


def test_a_unix_socket_is_for_its_owner_alone(folder: Path) -> None:
    path = folder / "cell.sock"
    with listen_unix(path) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert address_of(listener) == f"unix:{path}"


def test_a_dead_socket_is_replaced(folder: Path) -> None:
    path = folder / "cell.sock"
    listen_unix(path).close()
    assert path.exists()
    with listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_living_socket_is_left_alone(folder: Path) -> None:
    path = folder / "cell.sock"
    with listen_unix(path):
        with pytest.raises(AddressInUse):
            listen_unix(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_in_the_way_is_left_alone(folder: Path) -> None:
    path = folder / "cell.sock"
    path.write_text("precious")
    with pytest.raises(AddressUnusable):
        listen_unix(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["x" * 104, "missing/cell.sock"])
def test_a_path_that_cannot_be_bound_is_named(folder: Path, name: str) -> None:
    with pytest.raises(AddressUnusable):
        listen_unix(folder / name)


def test_no_refusal_leaks_a_socket(folder: Path) -> None:
    before = open_files()
    with listen("127.0.0.1", 0) as taken:
        for _ in range(20):
            with pytest.raises(AddressInUse):
                listen("127.0.0.1", taken.getsockname()[1])
            with pytest.raises(AddressUnusable):
                listen_unix(folder / "missing" / "s")
    assert open_files() == before
