"""A plan with all that a plan can have."""

from typing import Any

GOOD: dict[str, Any] = {
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
            "fall": 0.1,
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
        {"kind": "shadow", "soak": "2d"},
        {"kind": "canary", "weight": 5, "soak": "7d", "users": 300, "longest": "21d"},
        {"kind": "ramp", "weight": 25, "soak": "48h", "margins": {"success": 0.02}},
        {"kind": "ramp", "weight": 100, "soak": "48h"},
    ],
    "traffic": {"users_per_day": 2000, "runs_per_user": 3},
}
