import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.door.callers import Anybody
from seatrial.cell.door.flag_source import ServedFlags, edition
from seatrial.cell.door.ofrep import Ofrep
from seatrial.contract.flags.splits import Generation
from seatrial.kit.clock import VirtualClock
from seatrial.kit.errors import Denied, Limited
from seatrial.kit.http.asgi import Scope
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import NotJson
from seatrial.kit.http.routes import MethodRefused, PathUnknown
from tests.cell.door.asgi import NOTHING, ask
from tests.cell.door.serving import BULK, FLAGS, edited

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = {"metadata": {"flagSetId": "shop"}}


def _flags(document: object = FLAGS) -> ServedFlags:
    text = json.dumps(document).encode()
    return ServedFlags(edition(text, generation=Generation.V2, now=NOON))


def _ofrep(flags: ServedFlags | None = None, **others: Any) -> Ofrep:
    settings: dict[str, Any] = {
        "callers": Anybody(),
        "lifetime": Lifetime(),
        "clock": VirtualClock(NOON),
    }
    return Ofrep(flags or _flags(), **(settings | others))


def _asked(
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] = NOTHING,
    method: str = "POST",
    app: Ofrep | None = None,
) -> tuple[int, dict[str, str], Any]:
    return asyncio.run(ask(app or _ofrep(), path, body, headers=headers, method=method))


@pytest.mark.parametrize(
    ("key", "context", "told"),
    [
        ("new-ui", {"plan": "pro"}, ("TARGETING_MATCH", "on", True)),
        ("new-ui", {"plan": "free"}, ("DEFAULT", "off", False)),
        ("greeting", {}, ("STATIC", "formal", "Grüß Gott")),
        ("retries", {}, ("STATIC", "few", 2)),
        ("limits", {}, ("STATIC", "wide", {"calls": 10, "hosts": ["a", "b"]})),
        ("arm", {"targetingKey": "user-1"}, ("TARGETING_MATCH", "a", "A")),
    ],
)
def test_a_flag_answers_with_value_variant_and_reason(
    key: str, context: object, told: tuple[str, str, object]
) -> None:
    status, headers, answer = _asked(f"{BULK}/{key}", {"context": context})
    reason, variant, value = told
    assert status == 200
    assert headers["content-type"] == "application/json"
    own = FLAGS["flags"][key].get("metadata", {})
    assert answer == {
        "key": key,
        "reason": reason,
        "variant": variant,
        "value": value,
        "metadata": {"flagSetId": "shop", **own},
    }


@pytest.mark.parametrize(("key", "reason"), [("asleep", "DISABLED"), ("left-to-code", "DEFAULT")])
def test_the_default_in_the_code_is_a_missing_value_with_an_empty_variant(
    key: str, reason: str
) -> None:
    status, _, answer = _asked(f"{BULK}/{key}")
    assert status == 200
    assert answer == {"key": key, "reason": reason, "variant": "", **SHOP}


@pytest.mark.parametrize(("plan", "value"), [("free", 1.0), ("pro", 0.5)])
def test_a_flag_with_fractions_never_sends_a_whole_number(plan: str, value: float) -> None:
    for answer in (
        _asked(f"{BULK}/ratio", {"context": {"plan": plan}})[2],
        _bulk(_asked(BULK, {"context": {"plan": plan}})[2])["ratio"],
    ):
        assert type(answer["value"]) is float
        assert answer["value"] == value


@pytest.mark.parametrize("body", [{}, {"context": None}, {"context": {}}])
def test_no_context_is_an_empty_one(body: object) -> None:
    assert _asked(f"{BULK}/new-ui", body)[2]["variant"] == "off"


@pytest.mark.parametrize("path", ["team/search v2", "team%2Fsearch%20v2", "team/search%20v2"])
def test_a_key_is_the_rest_of_the_path_encoded_or_not(path: str) -> None:
    assert _asked(f"{BULK}/{path}")[2]["value"] == "X"


def test_a_stray_per_cent_belongs_to_the_key() -> None:
    assert _asked(f"{BULK}/50%")[2]["key"] == "50%"


def test_an_unknown_flag_is_404_in_ofreps_shape() -> None:
    status, _, answer = _asked(f"{BULK}/nix")
    assert status == 404
    assert answer == {
        "key": "nix",
        "errorCode": "FLAG_NOT_FOUND",
        "errorDetails": "There is no flag 'nix'.",
    }


def test_a_flag_that_cannot_answer_is_400() -> None:
    status, _, answer = _asked(f"{BULK}/broken")
    assert status == 400
    assert answer["errorCode"] == "GENERAL"
    assert "'y' is no variant" in answer["errorDetails"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "PARSE_ERROR"),
        (b"{", "PARSE_ERROR"),
        (b'{"context": NaN}', "PARSE_ERROR"),
        (b"\xff\xfe", "PARSE_ERROR"),
        (b"[" * 500 + b"]" * 500, "PARSE_ERROR"),
        ([], "INVALID_CONTEXT"),
        ("x", "INVALID_CONTEXT"),
        ({"context": []}, "INVALID_CONTEXT"),
        ({"context": "user-1"}, "INVALID_CONTEXT"),
    ],
)
@pytest.mark.parametrize(("path", "about"), [(f"{BULK}/x", {"key": "x"}), (BULK, {})])
def test_a_request_that_is_none_is_400_in_ofreps_shape(
    body: object, code: str, path: str, about: dict[str, str]
) -> None:
    status, _, answer = _asked(path, body)
    assert status == 400
    assert answer.pop("errorDetails")
    assert answer == {**about, "errorCode": code}


@pytest.mark.parametrize(("path", "about"), [(f"{BULK}/x", {"key": "x"}), (BULK, {})])
def test_a_body_over_1_mib_is_413_in_ofreps_shape(path: str, about: dict[str, str]) -> None:
    status, _, answer = _asked(path, b" " * 10_000_000)
    assert status == 413
    assert answer == {
        **about,
        "errorCode": "GENERAL",
        "errorDetails": "The request body is larger than 1048576 bytes.",
    }


class _Busy(Limited):
    """Too many calls."""

    code = "test_flags_busy"
    cause = "A test."
    remedy = "None."
    retry_after = 7


class _Barred(Denied):
    """Not for this caller."""

    code = "test_flags_barred"
    cause = "A test."
    remedy = "None."


class _Refusing(Anybody):
    def __init__(self, error: type[_Busy | _Barred]) -> None:
        self._error = error

    def admit(self, _scope: Scope) -> str:
        raise self._error


@pytest.mark.parametrize("path", [f"{BULK}/new-ui", BULK])
def test_limits_and_refusals_keep_ofreps_shape_and_their_headers(path: str) -> None:
    status, headers, answer = _asked(path, app=_ofrep(callers=_Refusing(_Busy)))
    assert (status, headers["retry-after"], answer["errorCode"]) == (429, "7", "GENERAL")
    status, _, answer = _asked(path, app=_ofrep(callers=_Refusing(_Barred)))
    assert (status, answer["errorDetails"]) == (403, "Not for this caller.")


def test_what_ofrep_has_no_words_for_is_left_to_the_boundary() -> None:
    with pytest.raises(NotJson):
        _asked(f"{BULK}/new-ui", headers={"content-type": "text/plain"})
    for path in (f"{BULK}/new-ui", BULK):
        with pytest.raises(MethodRefused):
            _asked(path, method="GET")
    with pytest.raises(MethodRefused):
        _asked("/ofrep/v1/events")
    for path in ("/ofrep/v1/evaluate", "/ofrep/v2/evaluate/flags", "/ofrep/"):
        with pytest.raises(PathUnknown):
            _asked(path)


def _bulk(answer: Any) -> dict[str, Any]:
    return {told["key"]: told for told in answer["flags"]}


@pytest.mark.parametrize("path", [BULK, f"{BULK}/"])
def test_all_flags_answer_at_once_as_each_does_alone(path: str) -> None:
    context = {"context": {"targetingKey": "user-1", "plan": "pro"}}
    status, _, answer = _asked(path, context)
    assert status == 200
    assert answer["metadata"] == {"flagSetId": "shop"}
    told = _bulk(answer)
    assert list(told) == list(FLAGS["flags"])
    for key, one in told.items():
        assert one == _asked(f"{BULK}/{key}", context)[2]


def test_the_answer_of_all_tells_where_changes_are_announced() -> None:
    assert _asked(BULK)[2]["eventStreams"] == [
        {
            "type": "sse",
            "endpoint": {"requestUri": "/ofrep/v1/events"},
            "inactivityDelaySec": 120,
        }
    ]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "x,{}", "bare"])
def test_an_unchanged_answer_is_304(form: str) -> None:
    tag = _asked(BULK)[1]["etag"]
    known = tag.strip('"') if form == "bare" else form.format(tag)
    status, headers, answer = _asked(BULK, headers={"if-none-match": known})
    assert (status, answer, headers["etag"]) == (304, None, tag)


def test_the_etag_changes_with_the_answer_and_only_with_it() -> None:
    one = {"context": {"plan": "pro", "color": "red"}}
    same = {"context": {"plan": "pro", "color": "blue"}}
    other = {"context": {"plan": "free"}}
    tag, same_tag, other_tag = (_asked(BULK, body)[1]["etag"] for body in (one, same, other))
    assert tag == same_tag != other_tag
    changed = _ofrep(_flags(edited(asleep=FLAGS["flags"]["retries"])))
    assert _asked(BULK, one, headers={"if-none-match": tag}, app=changed)[0] == 200


def test_rules_read_the_clock_in_seconds() -> None:
    rule = {"if": [{">=": [{"var": "$flagd.timestamp"}, NOON.timestamp() + 60]}, "late", "early"]}
    flag = {"state": "ENABLED", "variants": {"late": 1, "early": 2}, "targeting": rule}
    clock = VirtualClock(NOON)
    app = _ofrep(_flags({"flags": {"timed": flag}}), clock=clock)
    assert _asked(f"{BULK}/timed", app=app)[2]["variant"] == "early"
    tag = _asked(BULK, app=app)[1]["etag"]
    clock.advance(60)
    assert _asked(f"{BULK}/timed", app=app)[2]["variant"] == "late"
    assert _asked(BULK, app=app, headers={"if-none-match": tag})[0] == 200


@pytest.mark.parametrize(
    ("heard", "looks"),
    [
        ("", 0),
        ("?flagConfigEtag={etag}", 0),
        ("?flagConfigEtag=other", 1),
        ("?flagConfigEtag=other&flagConfigLastModified=1771622898", 1),
        ("?flagConfigLastModified=2026-02-20T21:28:18Z", 1),
    ],
)
def test_who_heard_of_another_edition_makes_the_server_look_first(heard: str, looks: int) -> None:
    flags, calls = _flags(), []

    async def catch_up() -> None:
        calls.append(1)
        flags.put(_flags(edited(retries=FLAGS["flags"]["asleep"])).current)

    path = BULK + heard.format(etag=flags.current.etag)
    answer = _asked(path, app=_ofrep(flags, catch_up=catch_up))[2]
    assert len(calls) == looks
    assert _bulk(answer)["retries"]["reason"] == ("DISABLED" if looks else "STATIC")


def test_without_a_way_to_look_the_query_of_a_notice_is_taken_too() -> None:
    assert _asked(f"{BULK}?flagConfigEtag=other")[0] == 200
    assert _asked(f"{BULK}?flagConfigEtag=a&flagConfigEtag=b")[0] == 400


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(key=st.text(min_size=1), body=_VALUES | st.dictionaries(st.just("context"), _VALUES))
def test_whatever_is_sent_is_answered_in_ofreps_shape(key: str, body: object) -> None:
    raw = json.dumps(body).encode()
    status, _, answer = _asked(f"{BULK}/{key.replace('?', '')}", raw)
    assert status in {200, 400, 404}
    assert ("errorCode" in answer) == (status != 200)
    assert "key" in answer or "flags" in answer or status == 400
