"""The rules of an environment: what a closure must prove to become active there."""

import enum
from typing import Annotated

from pydantic import Field

from seatrial.contract.documents import Document, JsonObject, Slug


class Profile(enum.StrEnum):
    """A named set of rules."""

    SOLO = "solo"
    TEAM = "team"


class GateRule(Document):
    """One gate and its terms.

    A gate that a cell does not know, or terms that it cannot read, are never met: a rule that an
    older program would skip in silence is no rule.

    Attributes:
        gate: which, such as `soak`.
        terms: its parameters.
    """

    gate: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    terms: JsonObject = Field(default_factory=dict)


class Rules(Document):
    """What holds in one environment. Part of its closure: changing it is a promotion.

    Attributes:
        profile: where the rules come from; for people.
        source: the environment that a release comes from; None at the start of the path.
        gates: all must be met.
        isolated: agent processes that cannot be isolated are refused.
        session_idle_seconds: after so long a session may move to a newer release.
    """

    profile: Profile
    source: Slug | None = None
    gates: tuple[GateRule, ...]
    isolated: bool = False
    session_idle_seconds: Annotated[int, Field(ge=1)] = 1_800
