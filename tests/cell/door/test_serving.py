import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cell.door.serving import BULK, FLAGS, PATIENCE, Served, edited, serving, written

TOKEN = "a-token-that-is-long-enough"
EVENTS = "/ofrep/v1/events"
MANY = edited(retries={"state": "ENABLED", "variants": {"many": 9}, "defaultVariant": "many"})
FEWER = edited(retries=FLAGS["flags"]["asleep"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that change nothing."""
    with serving(written(tmp_path_factory.mktemp("flags"))) as process:
        yield process


def test_a_raw_client_is_answered(served: Served) -> None:
    status, headers, answer = served.ask(f"{BULK}/greeting", {"context": {}})
    assert (status, answer["value"]) == (200, "Grüß Gott")
    assert headers["content-type"] == "application/json"


def test_an_unchanged_answer_is_304_without_a_body(served: Served) -> None:
    _, headers, _ = served.ask()
    status, again, body = served.ask(headers={"if-none-match": headers["etag"]})
    assert (status, again["etag"], body) == (304, headers["etag"], b"")


@pytest.mark.parametrize("path", [BULK, f"{BULK}/x"])
@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[" + b"1," * 5_000_000, 413)])
def test_bad_and_large_bodies_are_told_in_ofreps_shape(
    served: Served, path: str, body: bytes, status: int
) -> None:
    found, headers, answer = served.ask(path, body)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert answer["errorCode"] == ("PARSE_ERROR" if status == 400 else "GENERAL")
    assert served.ask()[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nix", "GET", 404, "path_unknown"),
        ("/ofrep/v1/nix", "POST", 404, "path_unknown"),
        (BULK, "GET", 405, "method_refused"),
        (EVENTS, "POST", 405, "method_refused"),
        ("/healthz", "POST", 405, "method_refused"),
    ],
)
def test_other_errors_are_problems(
    served: Served, path: str, method: str, status: int, code: str
) -> None:
    found, headers, answer = served.ask(path, method=method)
    assert (found, answer["code"]) == (status, code)
    assert headers["content-type"] == "application/problem+json"


def test_health_tells_the_phase_and_the_edition(served: Served) -> None:
    status, _, answer = served.ask("/healthz", method="GET")
    edition = answer.pop("edition")
    assert (status, answer) == (200, {"phase": "serving", "flags": 10, "stale": False})
    stream = served.listen(EVENTS)
    assert stream.notice()[1] == edition


def test_a_change_of_the_file_is_noticed_and_served(tmp_path: Path) -> None:
    file = written(tmp_path)
    with serving(file) as process:
        _, headers, bulk = process.ask()
        stream = process.listen(bulk["eventStreams"][0]["endpoint"]["requestUri"])
        assert b"content-type: text/event-stream" in stream.until(b"\r\n\r\n")
        present, first = stream.notice()
        assert (present["type"], present["etag"]) == ("refetchEvaluation", first)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(MANY))
        fresh.replace(file)
        notice, second = stream.notice()
        assert (notice["type"], notice["etag"]) == ("refetchEvaluation", second)
        assert first != second
        query = f"?flagConfigEtag={notice['etag']}&flagConfigLastModified={notice['lastModified']}"
        status, _, bulk = process.ask(BULK + query, headers={"if-none-match": headers["etag"]})
        assert (status, bulk["flags"][2]["value"]) == (200, 9)

        missed = process.listen(EVENTS, f"Last-Event-ID: {first}\r\n")
        assert missed.notice()[1] == second
        current = process.listen(EVENTS, f"Last-Event-ID: {second}\r\n")
        current.until(b"\r\n\r\n")
        written(tmp_path, FEWER)
        assert current.notice()[1] not in {first, second}


def test_a_broken_edit_is_logged_with_its_place_and_not_served(tmp_path: Path) -> None:
    file = written(tmp_path)
    with serving(file) as process:
        file.write_text('{"flags": {"retries": {"state": "ON", "variants": {"a": 1}}}}')
        assert "/flags/retries/state" in process.logged("refused")
        assert process.ask(f"{BULK}/retries")[2]["value"] == 2
        assert process.ask("/healthz", method="GET")[2]["stale"] is True
        stream = process.listen(EVENTS)
        stream.notice()
        file.write_text(json.dumps(MANY))
        stream.notice()
        assert process.ask(f"{BULK}/retries")[2]["value"] == 9
        assert process.ask("/healthz", method="GET")[2]["stale"] is False


def test_who_heard_elsewhere_of_a_change_gets_it_at_once(tmp_path: Path) -> None:
    file = written(tmp_path)
    with serving(file) as process:
        file.write_text(json.dumps(MANY))
        assert process.ask(f"{BULK}?flagConfigEtag=other")[2]["flags"][2]["value"] == 9


def test_with_a_token_file_only_its_tokens_open_anything(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text(f"# the shop\n{TOKEN}\n\nanother-token-of-somebody\n")
    with serving(written(tmp_path), "--token-file", str(tokens)) as process:
        for path, about in ((f"{BULK}/retries", {"key": "retries"}), (BULK, {})):
            for wrong in ({}, {"authorization": "Bearer nix"}, {"x-api-key": "nix"}):
                status, headers, answer = process.ask(path, headers=wrong)
                assert (status, headers["www-authenticate"]) == (401, "Bearer")
                assert answer.pop("errorDetails")
                assert answer == {**about, "errorCode": "GENERAL"}
            for right in ({"authorization": f"Bearer {TOKEN}"}, {"x-api-key": TOKEN}):
                assert process.ask(path, headers=right)[0] == 200
        bulk = process.ask(headers={"x-api-key": TOKEN})[2]
        assert process.listen(EVENTS).until(b"\r\n").startswith(b"HTTP/1.1 401")
        for path, header in (
            (bulk["eventStreams"][0]["endpoint"]["requestUri"], ""),
            (EVENTS, f"X-API-Key: {TOKEN}\r\n"),
        ):
            stream = process.listen(path, header)
            stream.notice()
        process.ask(f"/{TOKEN}", method="GET")
        code, log = process.end()
    assert code == 0
    assert TOKEN not in log
    assert "[redacted]" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_a_stream_open(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(written(tmp_path)) as process:
        stream = process.listen(EVENTS)
        stream.notice()
        process.process.send_signal(number)
        stream.until(b"\r\n0\r\n\r\n")
        out, _ = process.process.communicate(timeout=PATIENCE)
        assert (process.process.returncode, out) == (0, "")


def test_a_port_in_use_is_told_with_its_own_exit_code(tmp_path: Path, served: Served) -> None:
    port = served.url.rpartition(":")[2]
    with (
        pytest.raises(AssertionError, match="address_in_use"),
        serving(written(tmp_path), "--port", port),
    ):
        pass


def test_an_open_address_without_tokens_is_warned_of(tmp_path: Path) -> None:
    with serving(written(tmp_path), "--host", "0.0.0.0") as process:  # noqa: S104 - what is tested
        assert "whoever reaches 0.0.0.0 may evaluate" in process.logged("token-file")


def test_the_address_can_be_reached_as_soon_as_it_is_told(tmp_path: Path) -> None:
    with serving(written(tmp_path)) as process:
        host, _, port = process.url.removeprefix("http://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
