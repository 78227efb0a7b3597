"""The plan that these tests begin from."""

import copy
from typing import Any

from seatrial.contract.rollouts.plan import Plan, parse

DOCUMENT: dict[str, Any] = {
    "name": "careful",
    "required": 2,
    "metrics": [
        {
            "name": "success",
            "kind": "rate",
            "baseline": 0.95,
            "margin": 0.03,
            "fall": 0.04,
            "guardrail": True,
        },
        {
            "name": "in_time",
            "kind": "latency",
            "budget": "4s",
            "quantile": 0.95,
            "margin": 0.03,
            "fall": 0.10,
        },
        {
            "name": "cost",
            "kind": "cost",
            "forecast": 0.06,
            "cap": 0.6,
            "resolved": 0.85,
            "overrun": 0.03,
        },
    ],
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
