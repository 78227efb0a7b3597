"""The plan that these tests begin from."""

import copy
from typing import Any

from seatrial.contract.rollouts.plan import Plan, parse
from tests.contract.rollouts.plans import GOOD

# Shorter than the good plan, so that a rehearsal of it takes seconds.
DOCUMENT: dict[str, Any] = {
    **GOOD,
    "stages": [
        {"kind": "shadow", "soak": "1d"},
        {"kind": "canary", "weight": 10, "soak": "5d", "users": 300, "longest": "15d"},
        {"kind": "ramp", "weight": 50, "soak": "1d", "longest": "3d"},
        {"kind": "ramp", "weight": 100, "soak": "1d"},
    ],
    "traffic": {"users_per_day": 1000, "runs_per_user": 2},
}


def plan(**changes: Any) -> Plan:
    """The plan, with some of its top fields changed."""
    return parse({**copy.deepcopy(DOCUMENT), **changes})
