"""The arms of users whose flags live at LaunchDarkly, Unleash or Statsig: their SDKs, offline.

The SDKs stay out of our lock: they are in an environment of their own, made once from
`bench/peers/flag-backends.txt`, and our `arms.py` runs there, with nothing of ours installed.
"""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

import pytest
from scipy.stats import binom

from bench.harness import ROOT
from tests.contract.flags.reference import python_of

USERS: Final = 1000
SHARE: Final = 0.05
CHILD: Final = ROOT / "tests" / "sdk" / "backends" / "child.py"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """What one vendor's provider says of itself and of a boolean flag."""

    name: str
    provider: str
    on: str
    off: str
    gone: str | None


BACKENDS: Final = (
    Backend(
        name="launchdarkly",
        provider="launchdarkly-openfeature-server",
        on="0",
        off="1",
        gone="FLAG_NOT_FOUND",
    ),
    Backend(name="unleash", provider="Unleash Provider", on="true", off="false", gone=None),
    Backend(name="statsig", provider="statsig", on="true", off="false", gone="FLAG_NOT_FOUND"),
)


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def told(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Any:
    try:
        python = python_of("flag-backends")
    except (OSError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"bench/peers/flag-backends.txt cannot be installed: {fault}")
    folder = tmp_path_factory.mktemp(backend.name)
    done = subprocess.run(
        [python, "-W", "error", str(CHILD), backend.name, str(folder)],
        env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning:" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_each_user_is_recorded_once_for_each_call_with_the_backends_name(
    backend: Backend, told: Any
) -> None:
    users = [f"user-{number}" for number in range(USERS)]
    arms = told["recorded"]
    assert [arm["user"] for arm in arms] == [*users, *users, "user-0"]
    assert {arm["backend"] for arm in arms} == {backend.provider}
    times = [arm["at"] for arm in arms]
    assert times == sorted(set(times))
    assert times[0] == "2030-01-01T00:00:00+00:00"


def test_a_user_asked_twice_is_in_the_same_arm(told: Any) -> None:
    served = [(arm["user"], arm["variant"], arm["value"]) for arm in told["recorded"]]
    assert served[:USERS] == served[USERS : 2 * USERS]


def test_the_recorded_share_is_the_share_that_the_backend_was_told(
    backend: Backend, told: Any
) -> None:
    arms = told["recorded"][:USERS]
    assert {(arm["variant"], arm["value"]) for arm in arms} == {
        (backend.on, True),
        (backend.off, False),
    }
    assert {arm["error"] for arm in arms} == {None}
    low, high = binom.interval(0.9999, USERS, SHARE)
    assert low <= sum(arm["value"] for arm in arms) <= high


def test_a_flag_that_the_backend_lacks_gives_the_default_and_is_recorded(
    backend: Backend, told: Any
) -> None:
    gone = told["recorded"][-1]
    reason = "DEFAULT" if backend.gone is None else "ERROR"  # Unleash does not tell
    assert (gone["flag"], gone["value"], gone["variant"]) == ("gone", False, "false")
    assert (gone["reason"], gone["error"]) == (reason, backend.gone)


def test_nothing_leaves_the_machine(told: Any) -> None:
    assert told["reached"] == ["socket.getaddrinfo 192.0.2.1"]  # the guard's own trial, no more
