"""flagd's own Python engine, answering batches: one line of JSON in, one line out.

Runs under an interpreter that holds the engine; it imports nothing of ours.
In: {"flags": text, "now": seconds, "asks": [[key, kind, context], …]}.
Out: a list of [error code or null, reason, variant, value], or {"refused": why}.
"""

import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

from openfeature.contrib.tools.flagd.core import (  # type: ignore[import-not-found] # the peer's
    FlagdCore,
)
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

DEFAULTS: dict[str, Any] = {
    "boolean": False,
    "string": "code",
    "integer": -7,
    "float": -7.5,
    "object": {"c": 1},
}


def answered(core: Any, key: str, kind: str, context: dict[str, Any]) -> list[Any]:
    attributes = {name: value for name, value in context.items() if name != "targetingKey"}
    asked = EvaluationContext(context.get("targetingKey"), attributes)
    try:
        answer = getattr(core, f"resolve_{kind}_value")(key, DEFAULTS[kind], asked)
    except OpenFeatureError as error:
        return [error.error_code.value, "ERROR", None, None]
    except Exception:  # noqa: BLE001 - OpenFeature's client makes GENERAL of it
        return ["GENERAL", "ERROR", None, None]
    return [None, answer.reason.value, answer.variant, answer.value]


def batch(asked: dict[str, Any]) -> Any:
    targeting: Any = sys.modules["openfeature.contrib.tools.flagd.core.targeting.targeting"]
    targeting.time = SimpleNamespace(time=lambda: asked["now"])
    core = FlagdCore()
    try:
        core.set_flags(asked["flags"])
    except Exception as error:  # noqa: BLE001 - it raises whatever it meets
        return {"refused": f"{type(error).__name__}: {error}"}
    return [answered(core, *ask) for ask in asked["asks"]]


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(batch(json.loads(line))) + "\n")
        sys.stdout.flush()
