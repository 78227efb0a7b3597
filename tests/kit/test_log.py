import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.kit.errors import Fault
from seatrial.kit.log import REDACTED, Redactor, bound, configure, log_error

SECRET = 'pa"ss\nwörd-7731'


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    logging.raiseExceptions = True
    root.handlers[:] = handlers
    root.setLevel(level)


def _opened(*, as_json: bool = True, level: str = "info") -> tuple[io.StringIO, Redactor]:
    stream, redactor = io.StringIO(), Redactor()
    configure(level, as_json=as_json, redactor=redactor, stream=stream)
    return stream, redactor


def test_a_line_is_one_json_object_with_time_level_logger_and_fields() -> None:
    stream, _ = _opened()
    logging.getLogger("seatrial.x").warning("took %d ms", 7, extra={"run": "run_1"})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "seatrial.x",
        "message": "took 7 ms",
        "run": "run_1",
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_does_not_leave_by_any_path(*, as_json: bool) -> None:
    stream, redactor = _opened(as_json=as_json)
    redactor.add(SECRET)
    logger = logging.getLogger("x")
    logger.error("in the message %s", SECRET)
    logger.error(SECRET)
    logger.error("in a field", extra={"token": SECRET, "deep": {"token": [SECRET]}})
    with bound(token=SECRET):
        logger.error("in the context")
    try:
        int(SECRET)
    except ValueError:
        logger.exception("in a traceback")
    text = stream.getvalue()
    assert text.count(REDACTED) >= 6
    for part in ('pa"ss', r"pa\"ss", "7731"):
        assert part not in text


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_every_known_secret_is_found_wherever_it_stands(
    secret: str, before: str, after: str
) -> None:
    assume(not set(secret) <= set(REDACTED))
    assume(all(not 0xD800 <= ord(c) < 0xE000 for c in secret))
    redactor = Redactor()
    redactor.add(secret)
    assert secret not in redactor(f"{before}{secret}{after}").replace(REDACTED, "")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcDEF123.456-xyz",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
        "postgresql://ada:hunter2hunter2@db/x",
        "sea_prod_sa_" + "a1B2" * 9,
        "sea_eu-2_api_" + "a1B2" * 9,
        "sk-proj-abcdefghijklmnop1234",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIB cut off",
    ],
)
def test_what_has_the_shape_of_a_secret_is_blanked_unasked(text: str) -> None:
    redacted = Redactor()(f"see {text} end")
    assert REDACTED in redacted
    for word in ("hunter2", "abcDEF", "dXNl", "MIIB", "a1B2", "IJKL", "ijkl", "aaaa"):
        assert word not in redacted


@pytest.mark.parametrize("text", ["run run_1 took 3 ms", "https://example.org/a:b@c", "basic idea"])
def test_ordinary_text_passes_unchanged(text: str) -> None:
    assert Redactor()(text) == text


def test_a_value_too_short_to_redact_is_refused() -> None:
    with pytest.raises(ValueError, match="7 characters"):
        Redactor().add("1234567")


def test_context_belongs_to_its_task_alone() -> None:
    stream, _ = _opened()

    async def speak(name: str, gate: asyncio.Event) -> None:
        with bound(run=name):
            await gate.wait()
            logging.getLogger("x").info("here")

    async def main() -> None:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(speak(name, gate)) for name in ("a", "b")]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
        logging.getLogger("x").info("outside")

    asyncio.run(main())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted(line.get("run", "") for line in lines) == ["", "a", "b"]


def test_a_huge_event_is_cut_and_a_secret_at_the_cut_is_still_hidden() -> None:
    stream, redactor = _opened()
    redactor.add("correct-horse-battery")
    logging.getLogger("x").info("%s%s%s", "x" * 1990, "correct-horse-battery", "y" * 1_000_000)
    text = stream.getvalue()
    assert len(text) < 70_000
    assert "corr" not in text
    assert json.loads(text)["cut_from"] > 1_000_000


@pytest.mark.parametrize("as_json", [True, False])
def test_outside_text_cannot_forge_a_line(*, as_json: bool) -> None:
    stream, _ = _opened(as_json=as_json)
    logging.getLogger("x").info("hello\n2030-01-01 ERROR forged \x1b[2J", extra={"a": "b\nc"})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_a_wrong_format_string_or_an_odd_field_loses_no_event() -> None:
    stream, _ = _opened()
    logging.getLogger("x").info("%d", "no number", extra={"odd": object(), "big": 2**80})
    logging.getLogger("x").info("lone \ud800 surrogate")
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 2


def test_a_field_of_any_depth_is_a_bounded_line() -> None:
    stream, _ = _opened()
    deep: object = "end"
    for _ in range(100_000):
        deep = (deep,)
    logging.getLogger("x").info("deep", extra={"deep": deep})
    assert "…" in json.loads(stream.getvalue())["deep"][0][0][0][0][0][0][0]


def test_levels_filter_and_warnings_are_lines_too() -> None:
    stream, _ = _opened(level="warning")
    logging.getLogger("x").info("quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", stacklevel=1)
    assert "quiet" not in stream.getvalue()
    assert "old way" in json.loads(stream.getvalue())["message"]


def test_an_answered_error_is_logged_under_its_code() -> None:
    stream, _ = _opened()
    log_error(logging.getLogger("x"), Fault(incident="i"))
    assert json.loads(stream.getvalue())["code"] == "internal_fault"
