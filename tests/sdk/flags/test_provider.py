"""The provider as an application meets it: through OpenFeature's own client."""

import asyncio
import json
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagEvaluationOptions, Reason
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

from seatrial.contract.flags.splits import Generation
from seatrial.sdk.flags.exposures import Exposure, ExposureHook
from seatrial.sdk.flags.provider import FlagsProvider, Tracker
from seatrial.sdk.flags.sources import FileSource, Source, TextSource

FLAGS: dict[str, Any] = {
    "new-checkout": {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": {
            "if": [
                {"ends_with": [{"var": "email"}, "@company.com"]},
                "on",
                {"fractional": [["on", 25], ["off", 75]]},
            ]
        },
        "metadata": {"owner": "checkout"},
    },
    "text": {"state": "ENABLED", "variants": {"a": "x"}, "defaultVariant": "a"},
    "whole": {"state": "ENABLED", "variants": {"a": 3}, "defaultVariant": "a"},
    "part": {"state": "ENABLED", "variants": {"a": 1.5}, "defaultVariant": "a"},
    "object": {"state": "ENABLED", "variants": {"a": {"b": [1, {"c": 2}]}}, "defaultVariant": "a"},
    "asleep": {"state": "DISABLED", "variants": {"a": "x"}, "defaultVariant": "a"},
    "open": {"state": "ENABLED", "variants": {"a": "x"}},
    "clock": {
        "state": "ENABLED",
        "variants": {"late": "l", "early": "e"},
        "targeting": {"if": [{">": [{"var": "$flagd.timestamp"}, 1000]}, "late", "early"]},
    },
}
TEXT = json.dumps({"flags": FLAGS, "metadata": {"version": "7"}})
WORKER = EvaluationContext("user-1", {"email": "jon@company.com"})
Serve = Callable[..., OpenFeatureClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    def make(source: Source | str = TEXT, **options: Any) -> OpenFeatureClient:
        source = TextSource(source) if isinstance(source, str) else source
        options = {"generation": Generation.V3, **options}
        api.set_provider_and_wait(FlagsProvider(source, **options))
        return api.get_client()

    yield make
    api.clear_providers()
    api.clear_hooks()


def test_each_type_is_served_with_variant_reason_and_metadata(serve: Serve) -> None:
    client = serve()
    details = client.get_boolean_details(
        "new-checkout", default_value=False, evaluation_context=WORKER
    )
    assert (details.value, details.variant) == (True, "on")
    assert details.reason == Reason.TARGETING_MATCH
    assert details.flag_metadata == {"version": "7", "owner": "checkout"}
    assert client.get_string_details("text", "c").reason == Reason.STATIC
    assert client.get_string_value("text", "c") == "x"
    assert client.get_integer_value("whole", 0) == 3
    assert client.get_float_value("part", 0.0) == 1.5
    assert client.get_object_value("object", {}) == {"b": [1, {"c": 2}]}


def test_a_whole_number_is_served_as_a_float_to_who_asks_for_one(serve: Serve) -> None:
    value = serve().get_float_value("whole", 0.5)
    assert (type(value), value) == (float, 3.0)


def test_an_object_belongs_to_the_caller(serve: Serve) -> None:
    client = serve()
    first: Any = client.get_object_value("object", {})
    first["b"][1]["c"] = "mine"
    assert client.get_object_value("object", {}) == {"b": [1, {"c": 2}]}


@pytest.mark.parametrize(
    ("key", "value", "reason", "error"),
    [
        ("asleep", "code", Reason.DISABLED, None),
        ("open", "code", Reason.DEFAULT, None),
        ("gone", "code", Reason.ERROR, ErrorCode.FLAG_NOT_FOUND),
        ("whole", "code", Reason.ERROR, ErrorCode.TYPE_MISMATCH),
    ],
)
def test_the_default_in_the_code_is_served_with_the_reason_why(
    serve: Serve, key: str, value: str, reason: Reason, error: ErrorCode | None
) -> None:
    details = serve().get_string_details(key, "code")
    assert (details.value, details.reason, details.error_code) == (value, reason, error)


def test_every_default_is_handed_back_as_it_is(serve: Serve) -> None:
    client = serve()
    assert client.get_float_details("gone", 2.5).value == 2.5
    assert client.get_float_value("asleep", 1.5) == 1.5
    assert client.get_object_value("gone", ["x"]) == ["x"]
    assert client.get_boolean_value("gone", default_value=True) is True


def test_async_callers_are_served_too(serve: Serve) -> None:
    client = serve()
    assert (
        asyncio.run(
            client.get_boolean_value_async(
                "new-checkout", default_value=False, evaluation_context=WORKER
            )
        )
        is True
    )


def test_rules_see_the_time_that_was_given(serve: Serve) -> None:
    assert serve(now=lambda: 1000.9).get_string_value("clock", "c") == "e"
    assert serve(now=lambda: 1001.0).get_string_value("clock", "c") == "l"


def test_the_generation_decides_who_is_drawn(serve: Serve) -> None:
    def users(generation: Generation) -> set[int]:
        client = serve(generation=generation)
        asked = (EvaluationContext(f"user-{number}") for number in range(200))
        return {
            at
            for at, who in enumerate(asked)
            if client.get_boolean_value("new-checkout", default_value=False, evaluation_context=who)
        }

    v2, v3 = users(Generation.V2), users(Generation.V3)
    assert len(v2 ^ v3) > 30


def test_exposures_tell_what_was_served_and_never_what_was_not(serve: Serve) -> None:
    told: list[Exposure] = []
    client = serve(hooks=[ExposureHook(told.append)])
    client.get_boolean_value("new-checkout", default_value=False, evaluation_context=WORKER)
    client.get_string_value("gone", "c")
    client.get_string_value("asleep", "c")
    client.get_string_value("whole", "c")
    assert told == [
        Exposure(flag="new-checkout", variant="on", reason="TARGETING_MATCH", user="user-1")
    ]


def test_a_recorder_that_fails_does_not_cost_the_answer(serve: Serve) -> None:
    def record(exposure: Exposure) -> None:
        raise OSError(exposure.flag)

    options = FlagEvaluationOptions(hooks=[ExposureHook(record)])
    assert serve().get_string_value("text", "code", WORKER, options) == "x"


def test_what_the_application_tracks_reaches_the_tracker(serve: Serve) -> None:
    told: list[Any] = []
    tracker: Tracker = lambda *event: told.append(event)  # noqa: E731 - shows the type
    client = serve(tracker=tracker)
    details = TrackingEventDetails(99.5, {"currency": "EUR"})
    client.track("bought", WORKER, details)
    ((name, context, given),) = told
    assert (name, context.targeting_key, given) == ("bought", "user-1", details)
    serve().track("bought", WORKER, details)
    assert len(told) == 1


def test_without_a_good_definition_the_provider_is_not_ready(serve: Serve) -> None:
    with pytest.raises(ProviderNotReadyError) as refused:
        serve("{")
    assert "not JSON" in str(refused.value.error_message) or "line 1" in str(
        refused.value.error_message
    )
    details = api.get_client().get_string_details("text", "code")
    assert (details.value, details.error_code) == ("code", ErrorCode.PROVIDER_NOT_READY)


def test_a_provider_that_was_never_initialized_says_so() -> None:
    provider = FlagsProvider(TextSource(TEXT), generation=Generation.V2)
    details = provider.resolve_boolean_details("new-checkout", default_value=True)
    assert (details.value, details.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    assert provider.get_metadata().name == "seatrial"


class Events:
    """What OpenFeature tells its handlers, in order."""

    def __init__(self) -> None:
        self._told: queue.Queue[tuple[str, EventDetails]] = queue.Queue()
        for event in ProviderEvent:
            api.add_handler(event, self._handler(event.name))

    def _handler(self, name: str) -> Callable[[EventDetails], None]:
        return lambda details: self._told.put((name, details))

    def next(self) -> tuple[str, EventDetails]:
        return self._told.get(timeout=10)

    def until(self, name: str) -> EventDetails:
        while True:
            told, details = self.next()
            if told == name:
                return details


def edited(path: Path, flags: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"flags": flags}))
    fresh.replace(path)


def test_a_file_that_changes_breaks_and_mends_is_followed(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    edited(path, FLAGS)
    client = serve(FileSource(path, poll_seconds=0.01))
    events = Events()
    edited(path, {**FLAGS, "text": {**FLAGS["text"], "variants": {"a": "new"}}})
    changed = events.until("PROVIDER_CONFIGURATION_CHANGED")
    assert changed.flags_changed == ["text"]
    assert client.get_string_value("text", "c") == "new"

    path.write_text("{")
    stale = events.until("PROVIDER_STALE")
    assert "refused" in str(stale.message)
    assert client.get_provider_status() is ProviderStatus.STALE
    assert client.get_string_value("text", "c") == "new"

    edited(path, FLAGS)
    events.until("PROVIDER_READY")
    assert events.until("PROVIDER_CONFIGURATION_CHANGED").flags_changed == ["text"]
    assert client.get_provider_status() is ProviderStatus.READY
    assert client.get_string_value("text", "c") == "x"

    path.unlink()
    assert "cannot be read" in str(events.until("PROVIDER_STALE").message)
    assert client.get_string_value("text", "c") == "x"


def test_a_file_that_comes_late_makes_the_provider_ready(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    with pytest.raises(ProviderNotReadyError):
        serve(FileSource(path, poll_seconds=0.01))
    client, events = api.get_client(), Events()
    assert client.get_provider_status() is ProviderStatus.ERROR
    path.with_suffix(".new").write_text("{")
    path.with_suffix(".new").replace(path)
    while "line 1" not in str(events.until("PROVIDER_ERROR").message):
        continue
    edited(path, FLAGS)
    events.until("PROVIDER_READY")
    assert client.get_string_value("text", "c") == "x"


def test_shutdown_ends_the_watching_and_the_provider_can_start_again(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "flags.json"
    edited(path, FLAGS)
    source = FileSource(path, poll_seconds=0.01)
    serve(source)
    api.shutdown()
    assert source._thread is None
    client = serve(source)
    assert client.get_string_value("text", "c") == "x"


def test_importing_the_provider_brings_nothing_heavy_along() -> None:
    heavy = {"aiohttp", "cryptography", "numpy", "pydantic", "sqlalchemy", "pyreqwest", "orjson",
             "asyncio", "seatrial.kit.clock", "seatrial.contract.flags.lint"}  # fmt: skip
    code = (
        "import sys, seatrial.sdk.flags.provider, seatrial.sdk.flags.exposures; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(done.stdout.split())
