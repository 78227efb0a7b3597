"""What OpenFeature's own clients make of our answers."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason

from tests.cell.door.serving import Served, serving, written
from tests.servers.npm import installed

TOKEN = "a-token-that-is-long-enough"
ON, OFF = True, False  # the defaults that a caller may have in his code
PRO = {"targetingKey": "user-1", "plan": "pro"}
_NPM = Path(__file__).parent / "npm"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("flags")
    tokens = folder / "tokens.txt"
    tokens.write_text(TOKEN)
    with serving(written(folder), "--token-file", str(tokens)) as process:
        yield process


# --- Python ---------------------------------------------------------------------------------------


def _client(served: Served, headers: dict[str, str]) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(served.url, headers_factory=lambda: headers)
    api.set_provider(provider, domain="seatrial-tests")
    yield api.get_client(domain="seatrial-tests")
    provider.session.close()
    api.clear_providers()


@pytest.fixture
def client(served: Served) -> Iterator[OpenFeatureClient]:
    yield from _client(served, {"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def stranger(served: Served) -> Iterator[OpenFeatureClient]:
    yield from _client(served, {"X-API-Key": "another-token-altogether"})


def _told(details: FlagEvaluationDetails[Any]) -> tuple[Any, ...]:
    return details.value, details.variant, details.reason, details.error_code


def test_python_gets_flags_of_every_type(client: OpenFeatureClient) -> None:
    pro = EvaluationContext("user-1", {"plan": "pro"})
    match, static = Reason.TARGETING_MATCH, Reason.STATIC
    assert _told(client.get_boolean_details("new-ui", OFF, pro)) == (True, "on", match, None)
    assert _told(client.get_boolean_details("new-ui", ON)) == (False, "off", "DEFAULT", None)
    greeting = client.get_string_details("greeting", "", pro)
    assert _told(greeting) == ("Grüß Gott", "formal", static, None)
    assert greeting.flag_metadata == {"flagSetId": "shop", "owner": "shop", "ticket": 7}
    assert _told(client.get_integer_details("retries", 0)) == (2, "few", static, None)
    assert _told(client.get_float_details("ratio", 0.0, pro)) == (0.5, "half", match, None)
    assert _told(client.get_float_details("ratio", 0.0)) == (1.0, "one", Reason.DEFAULT, None)
    limits = {"calls": 10, "hosts": ["a", "b"]}
    assert _told(client.get_object_details("limits", {})) == (limits, "wide", static, None)
    assert client.get_string_value("arm", "", pro) == "A"


def test_python_reads_a_key_that_it_does_not_encode(client: OpenFeatureClient) -> None:
    assert client.get_string_value("team/search v2", "") == "X"


@pytest.mark.parametrize("default", [True, False])
def test_python_keeps_its_default_for_a_disabled_flag(
    client: OpenFeatureClient, default: bool
) -> None:
    told = _told(client.get_boolean_details("asleep", default))
    assert told == (default, "", Reason.DISABLED, None)


def test_python_keeps_its_default_where_none_is_named(client: OpenFeatureClient) -> None:
    told = _told(client.get_string_details("left-to-code", "mine"))
    assert told == ("mine", "", Reason.DEFAULT, None)


def test_python_is_told_each_error_by_its_code(client: OpenFeatureClient) -> None:
    for key, code in (
        ("nix", ErrorCode.FLAG_NOT_FOUND),
        ("broken", ErrorCode.GENERAL),
        ("retries", ErrorCode.TYPE_MISMATCH),
    ):
        told = client.get_boolean_details(key, ON)
        assert (told.value, told.reason, told.error_code) == (True, Reason.ERROR, code)
        assert told.error_message


def test_python_without_a_token_is_unauthorized(stranger: OpenFeatureClient) -> None:
    told = stranger.get_boolean_details("new-ui", ON)
    assert (told.value, told.error_message) == (True, "unauthorized")


# --- Node -----------------------------------------------------------------------------------------

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def node(served: Served) -> Ask:
    """Asks through the npm packages, which are installed once from the lock beside this file."""
    modules = installed(_NPM, "npm-ofrep")
    script = (_NPM / "client.mjs").read_text()

    def ask(*questions: tuple[str, str, object, object], token: str = TOKEN) -> Any:
        names = ("kind", "key", "fallback", "context")
        request = {
            "baseUrl": served.url,
            "headers": {"X-API-Key": token},
            "questions": [dict(zip(names, each, strict=True)) for each in questions],
        }
        done = subprocess.run(
            ["node", "--input-type=module", "--eval", script],  # noqa: S607 - as in the shell
            cwd=modules,
            env=dict(os.environ),
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return ask


def test_node_gets_flags_of_every_type(node: Ask) -> None:
    limits = {"calls": 10, "hosts": ["a", "b"]}
    answers = node(
        ("boolean", "new-ui", False, PRO),
        ("boolean", "new-ui", True, None),
        ("string", "greeting", "", PRO),
        ("number", "retries", 0, None),
        ("number", "ratio", 0, PRO),
        ("number", "ratio", 0, None),
        ("object", "limits", {}, None),
        ("string", "arm", "", PRO),
    )
    assert [(told["value"], told["variant"], told["reason"]) for told in answers] == [
        (True, "on", "TARGETING_MATCH"),
        (False, "off", "DEFAULT"),
        ("Grüß Gott", "formal", "STATIC"),
        (2, "few", "STATIC"),
        (0.5, "half", "TARGETING_MATCH"),
        (1, "one", "DEFAULT"),
        (limits, "wide", "STATIC"),
        ("A", "a", "TARGETING_MATCH"),
    ]
    assert answers[2]["flagMetadata"] == {"flagSetId": "shop", "owner": "shop", "ticket": 7}


def test_node_keeps_its_default_where_no_value_is_sent_though_as_an_error(node: Ask) -> None:
    # ofrep-core 0.1 takes an answer without a value for malformed; from 2.x on it is a default.
    answers = node(("boolean", "asleep", True, None), ("string", "left-to-code", "mine", None))
    assert [(told["value"], told["reason"]) for told in answers] == [
        (True, "ERROR"),
        ("mine", "ERROR"),
    ]


def test_node_is_told_each_error_by_its_code(node: Ask) -> None:
    answers = node(
        ("boolean", "nix", True, None),
        ("boolean", "broken", True, None),
        ("boolean", "retries", True, None),
    )
    assert [(told["value"], told["errorCode"]) for told in answers] == [
        (True, "FLAG_NOT_FOUND"),
        (True, "GENERAL"),
        (True, "TYPE_MISMATCH"),
    ]


def test_node_without_a_token_keeps_its_default(node: Ask) -> None:
    (told,) = node(("boolean", "new-ui", True, None), token="another-token-altogether")
    assert (told["value"], told["reason"]) == (True, "ERROR")
