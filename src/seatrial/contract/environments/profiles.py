"""The profiles as data: `solo` for one person on day one, `team` for everybody after."""

from typing import Final

from seatrial.contract.environments.rules import GateRule, Profile, Rules
from seatrial.kit.errors import NotFound

PATH: Final = ("dev", "test", "staging", "production")
"""The promotion path, in order."""

HOSTED: Final = ("staging", "production")
"""Those that have a cell unless more are asked for."""


class EnvironmentUnknown(NotFound):
    """There is no environment {name!r} on the promotion path."""

    code = "environment_unknown"
    cause = "The path is dev, test, staging, production, in this order."
    remedy = "Name one of them; `seatrial status` shows which have a cell here."


_DEPLOYED: Final = GateRule(
    gate="signed_order", terms={"roles": ["author", "releaser"], "count": 1}
)
_PROVENANCE: Final = GateRule(gate="provenance", terms={})
_RULES: Final[dict[Profile, dict[str, tuple[GateRule, ...]]]] = {
    Profile.SOLO: {
        "production": (
            _PROVENANCE,
            GateRule(gate="signed_order", terms={"roles": ["releaser"], "count": 1}),
            GateRule(gate="soak", terms={"succeeded": 1}),
        ),
    },
    Profile.TEAM: {
        "production": (
            _PROVENANCE,
            GateRule(
                gate="signed_order",
                terms={"roles": ["releaser"], "count": 1, "other_than_author": True},
            ),
            GateRule(
                gate="soak",
                terms={"runs": 100, "or_seconds": 604_800, "judged": 30, "accuracy": 0.95},
            ),
            GateRule(gate="limits_set", terms={"limits": ["timeout_seconds", "steps", "cost_usd"]}),
        ),
    },
}


def rules_of(profile: Profile, environment: str) -> Rules:
    """The rules of `environment` under `profile`.

    Raises:
        EnvironmentUnknown: it is not on the path.
    """
    if environment not in PATH:
        raise EnvironmentUnknown(name=environment)
    last = environment == PATH[-1]
    gates = _RULES[profile].get(environment, (_PROVENANCE, _DEPLOYED))
    return Rules(
        profile=profile,
        source=PATH[PATH.index(environment) - 1] if last else None,
        gates=gates,
        isolated=last and profile is not Profile.SOLO,
    )
