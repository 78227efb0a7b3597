"""One vendor's own SDK behind OpenFeature, offline, asked through our `Arms`.

Runs under an interpreter with the vendors' packages, our `src` on its path. Arguments: the
backend's name and a folder to write in. Out: one line of JSON, see `main`.
"""

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from ld_openfeature import LaunchDarklyProvider  # type: ignore[import-not-found] # the peer's
from ldclient.config import Config  # type: ignore[import-not-found] # the peer's
from ldclient.integrations import Files  # type: ignore[import-not-found] # the peer's
from openfeature import api
from openfeature.contrib.provider.unleash import (  # type: ignore[import-not-found] # the peer's
    UnleashProvider,
)
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, TargetingKeyMissingError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import AbstractProvider, FeatureProvider, Metadata
from statsig.evaluation_details import EvaluationReason  # type: ignore[import-not-found] # the peer's
from statsig.statsig_options import StatsigOptions  # type: ignore[import-not-found] # the peer's
from statsig.statsig_server import StatsigServer  # type: ignore[import-not-found] # the peer's
from statsig.statsig_user import StatsigUser  # type: ignore[import-not-found] # the peer's
from UnleashClient.cache import FileCache  # type: ignore[import-not-found] # the peer's

from seatrial.sdk.flags.arms import Arm, Arms

FLAG = "new-prompt"
NOWHERE = "http://127.0.0.1:9"  # the discard port: whatever is sent there is refused
OUTSIDE = "192.0.2.1"  # a documentation address (RFC 5737)
REACHED: list[str] = []


def launchdarkly(folder: Path) -> FeatureProvider:
    shares = [{"variation": 0, "weight": 5_000}, {"variation": 1, "weight": 95_000}]
    flag = {
        "key": FLAG, "version": 1, "on": True, "salt": "s", "variations": [True, False],
        "offVariation": 1, "fallthrough": {"rollout": {"variations": shares}},
    }  # fmt: skip
    path = folder / "flags.json"
    path.write_text(json.dumps({"flags": {FLAG: flag}}))
    source = Files.new_data_source(paths=[str(path)])
    provider: FeatureProvider = LaunchDarklyProvider(
        Config("sdk-key", update_processor_class=source, send_events=False)
    )
    return provider


def unleash(folder: Path) -> FeatureProvider:
    split = {"rollout": "5", "stickiness": "userId", "groupId": FLAG}
    flag = {
        "name": FLAG, "type": "release", "enabled": True,
        "strategies": [{"name": "flexibleRollout", "parameters": split}],
    }  # fmt: skip
    cache = FileCache("arms", directory=str(folder))
    cache.bootstrap_from_dict({"version": 2, "features": [flag]})
    provider: FeatureProvider = UnleashProvider(
        NOWHERE, "arms", "token", fetch_toggles=False, cache=cache
    )
    return provider


def unleash_server(folder: Path) -> FeatureProvider:
    del folder
    url, token = os.environ["UNLEASH_URL"], os.environ["UNLEASH_TOKEN"]
    provider: FeatureProvider = UnleashProvider(url, "arms", token)
    return provider


class Statsig(AbstractProvider):
    """The vendor has no OpenFeature provider for Python; a gate needs no more than this."""

    def __init__(self, server: Any) -> None:
        super().__init__()
        self._server = server

    def get_metadata(self) -> Metadata:
        return Metadata("statsig")

    def shutdown(self) -> None:
        self._server.shutdown()

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        del default_value
        if evaluation_context is None or not evaluation_context.targeting_key:
            raise TargetingKeyMissingError("a gate needs a user")
        user = StatsigUser(
            evaluation_context.targeting_key, custom=dict(evaluation_context.attributes)
        )
        gate = self._server.get_feature_gate(user, flag_key)
        if gate.evaluation_details.reason == EvaluationReason.unrecognized:
            raise FlagNotFoundError(flag_key)
        return FlagResolutionDetails(gate.value)

    def _of_no_gate(self, *_: Any, **__: Any) -> Any:
        raise FlagNotFoundError("gates are boolean")

    resolve_string_details = resolve_integer_details = _of_no_gate
    resolve_float_details = resolve_object_details = _of_no_gate


def statsig(folder: Path) -> FeatureProvider:
    del folder
    everybody = {"type": "public", "targetValue": None, "operator": None, "field": None}
    rule = {
        "name": "5%", "id": "5%", "salt": "r", "passPercentage": 5, "returnValue": True,
        "idType": "userID", "conditions": [everybody | {"additionalValues": {}}],
    }  # fmt: skip
    gate = {
        "name": FLAG, "type": "feature_gate", "entity": "feature_gate", "salt": "s",
        "enabled": True, "defaultValue": False, "idType": "userID", "rules": [rule],
    }  # fmt: skip
    specs = {
        "has_updates": True, "time": 1, "feature_gates": [gate], "dynamic_configs": [],
        "layer_configs": [], "layers": {}, "id_lists": {}, "experiment_to_layer": {},
    }  # fmt: skip
    server = StatsigServer()
    options = StatsigOptions(
        local_mode=True, bootstrap_values=json.dumps(specs), disable_diagnostics=True
    )
    server.initialize("secret-key", options)
    return Statsig(server)


BACKENDS: dict[str, Callable[[Path], FeatureProvider]] = {
    "launchdarkly": launchdarkly,
    "unleash": unleash,
    "unleash-server": unleash_server,
    "statsig": statsig,
}


def guard(event: str, args: tuple[Any, ...]) -> None:
    """Let nothing leave loopback, and note what tried to."""
    if event in ("socket.connect", "socket.sendto"):
        host = args[1][0] if isinstance(args[1], tuple) else "127.0.0.1"  # a path: AF_UNIX
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if host not in (None, "127.0.0.1", "::1", "localhost"):
        REACHED.append(f"{event} {host}")
        raise OSError(f"{host} is not on this machine")


def main(backend: str, folder: Path) -> dict[str, Any]:
    """The arms of 1000 users, asked twice, and of a flag that is not there; all as recorded."""
    recorded: list[tuple[Arm[Any], str, datetime]] = []
    troubles: list[Any] = []
    ticks = count()
    api.set_provider_and_wait(BACKENDS[backend](folder))
    arms = Arms(
        client=api.get_client(),
        now=lambda: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks)),
        record=lambda arm, user, at: recorded.append((arm, user, at)),
        trouble=troubles.append,
    )
    users = [f"user-{number}" for number in range(1000)]
    passes = [
        [arms.choose(FLAG, user, {"plan": "pro"}, default=False) for user in users]
        for _ in range(2)
    ]
    gone = arms.choose("gone", "user-0", {}, default=False)
    api.shutdown()
    assert [arm for arm, _, _ in recorded] == [*passes[0], *passes[1], gone]
    assert troubles == []
    with suppress(OSError):  # the guard must be able to bark
        socket.create_connection((OUTSIDE, 9))
    return {
        "recorded": [
            {"user": user, "at": at.isoformat(), **asdict(arm)} for arm, user, at in recorded
        ],
        "reached": REACHED,
    }


if __name__ == "__main__":
    sys.addaudithook(guard)
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201 - its answer
