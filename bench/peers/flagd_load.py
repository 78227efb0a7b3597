"""The same definitions and users for our engine and for flagd's. Standard library only."""

import json
from typing import Any, Final

DEFINITION: Final[dict[str, Any]] = {
    "flags": {
        "rollout": {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {"fractional": [["on", 5], ["off", 95]]},
        },
        "rules": {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {
                "if": [
                    {"ends_with": [{"var": "email"}, "@company.com"]},
                    "on",
                    {
                        "and": [
                            {"in": [{"var": "country"}, ["de", "fr"]]},
                            {"==": [{"var": "plan"}, "pro"]},
                        ]
                    },
                    "on",
                    {"sem_ver": [{"var": "version"}, ">=", "2.1.0"]},
                    "on",
                    "off",
                ]
            },
        },
    }
}
CONTEXTS: Final[list[dict[str, Any]]] = [
    {
        "targetingKey": f"user-{number}",
        "email": f"u{number}@{'company.com' if number % 5 == 0 else 'example.org'}",
        "country": ("de", "it", "fr", "es")[number % 4],
        "plan": ("pro", "free")[number % 2],
        "version": f"{number % 3}.{number % 7}.0",
    }
    for number in range(2000)
]
SERVED: Final = {"rollout": {96, 103}, "rules": {1429}}
"""How many of them are on: in generation v2 and v3, and by the rules."""

THOUSAND: Final = json.dumps(
    {
        "flags": {
            f"flag-{number}": DEFINITION["flags"][("rollout", "rules")[number % 2]]
            for number in range(1000)
        }
    }
)
