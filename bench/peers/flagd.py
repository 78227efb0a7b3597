"""flagd's Python engine at the work of `bench.flags`, under an interpreter that holds it."""

import json
from collections.abc import Iterator
from typing import Any

from openfeature.contrib.tools.flagd.core import (  # type: ignore[import-not-found] # the peer's
    FlagdCore,
)
from openfeature.evaluation_context import EvaluationContext

from bench.peers.flagd_load import CONTEXTS, DEFINITION, SERVED, THOUSAND
from bench.work import Work


def rollout() -> Iterator[Work]:
    yield from _evaluating("rollout")


def rules() -> Iterator[Work]:
    yield from _evaluating("rules")


def loading() -> Iterator[Work]:
    def work() -> int:
        core = FlagdCore()
        core.set_flags(THOUSAND)
        return 1000

    yield work


def _evaluating(key: str) -> Iterator[Work]:
    core: Any = FlagdCore()
    core.set_flags(json.dumps(DEFINITION))
    contexts = [EvaluationContext(context["targetingKey"], context) for context in CONTEXTS]

    def work() -> int:
        served = sum(
            core.resolve_boolean_value(key, default_value=False, ctx=asked).value
            for asked in contexts
        )
        assert served in SERVED[key], served
        return len(contexts)

    yield work
