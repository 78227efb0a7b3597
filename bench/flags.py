"""What an answer costs, and loading a definition of 1,000 flags, beside flagd's own engine."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from bench.harness import Comparison, Contender
from bench.peers.flagd_load import CONTEXTS, DEFINITION, SERVED, THOUSAND
from bench.work import Work
from seatrial.contract.flags.definition import compiled
from seatrial.contract.flags.splits import Generation
from seatrial.sdk.flags.provider import FlagsProvider
from seatrial.sdk.flags.sources import TextSource

_NOW = 1_800_000_000


def rollout_v2() -> Iterator[Work]:
    yield _evaluating("rollout", Generation.V2)


def rollout_v3() -> Iterator[Work]:
    yield _evaluating("rollout", Generation.V3)


def rules() -> Iterator[Work]:
    yield _evaluating("rules", Generation.V2)


def loading() -> Iterator[Work]:
    def work() -> int:
        return len(compiled(THOUSAND, generation=Generation.V2).flags)

    yield work


def rollout_client() -> Iterator[Work]:
    yield _asking("rollout")
    api.clear_providers()


def rules_client() -> Iterator[Work]:
    yield _asking("rules")
    api.clear_providers()


def _evaluating(key: str, generation: Generation) -> Work:
    evaluate = compiled(json.dumps(DEFINITION), generation=generation).evaluate
    return _counting(key, lambda context: evaluate(key, context, _NOW).value, CONTEXTS)


def _asking(key: str) -> Work:
    source = TextSource(json.dumps(DEFINITION))
    api.set_provider_and_wait(FlagsProvider(source, generation=Generation.V2))
    ask = api.get_client().get_boolean_value
    users = [EvaluationContext(context["targetingKey"], context) for context in CONTEXTS]
    return _counting(key, lambda user: ask(key, False, user), users)  # noqa: FBT003 - by position, as most do


def _counting(key: str, asked: Callable[[Any], Any], users: list[Any]) -> Work:
    def work() -> int:
        for _ in range(9):
            for user in users:
                asked(user)
        served = sum(asked(user) for user in users)
        assert served in SERVED[key], served
        return 10 * len(users)

    return work


def _peers(target: str) -> tuple[Contender, ...]:
    return (
        Contender(
            name="flagd-core 1.0.0 (v2)", target=f"bench.peers.flagd:{target}", peer="flagd-v1"
        ),
        Contender(
            name="flagd-core 2.0.0 (v3)", target=f"bench.peers.flagd:{target}", peer="flagd-v3"
        ),
    )


COMPARISONS = (
    Comparison(
        name="flags-rollout",
        question="What does one answer of a 5 % rollout by user id cost?",
        operation="evaluation",
        contenders=(
            Contender(name="seatrial, v2", target="bench.flags:rollout_v2"),
            Contender(name="seatrial, v3", target="bench.flags:rollout_v3"),
            *_peers("rollout"),
            Contender(name="OpenFeature client + seatrial", target="bench.flags:rollout_client"),
        ),
    ),
    Comparison(
        name="flags-rules",
        question="What does one answer of three rules (ends_with; in and ==; sem_ver) cost?",
        operation="evaluation",
        contenders=(
            Contender(name="seatrial", target="bench.flags:rules"),
            *_peers("rules"),
            Contender(name="OpenFeature client + seatrial", target="bench.flags:rules_client"),
        ),
    ),
    Comparison(
        name="flags-load",
        question="What does one of 1,000 flags cost when a definition is loaded and checked?",
        operation="flag",
        contenders=(
            Contender(name="seatrial (checks and compiles)", target="bench.flags:loading"),
            *_peers("loading"),
        ),
    ),
)
