"""Short ways to write definitions in tests."""

import json
from typing import Any

from seatrial.contract.flags.definition import Definition, compiled
from seatrial.contract.flags.resolution import Resolution
from seatrial.contract.flags.splits import Generation

ON_OFF = {"on": True, "off": False}
NOW = 1_800_000_000
NOTHING = object()


def flag(targeting: Any = NOTHING, **properties: Any) -> dict[str, Any]:
    """A flag that is on or off, off by default."""
    written: dict[str, Any] = {"state": "ENABLED", "variants": ON_OFF, "defaultVariant": "off"}
    if targeting is not NOTHING:
        written["targeting"] = targeting
    return {**written, **properties}


def document(key: str = "f", /, targeting: Any = NOTHING, **properties: Any) -> str:
    """A definition of one flag."""
    return json.dumps({"flags": {key: flag(targeting, **properties)}})


def taken(text: str, generation: Generation = Generation.V2) -> Definition:
    """The definition compiled."""
    return compiled(text, generation=generation)


def answer(
    targeting: Any,
    context: dict[str, Any],
    generation: Generation = Generation.V2,
    **properties: Any,
) -> Resolution:
    """What a flag with this rule answers."""
    return taken(document("f", targeting, **properties), generation).evaluate("f", context, NOW)
