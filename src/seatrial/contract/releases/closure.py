"""A closure: everything active in an environment, as one document with one digest."""

from typing import Annotated, Final

from pydantic import Field

from seatrial.contract.documents import DigestField, Document, Slug
from seatrial.contract.environments.rules import Rules

MOST_AGENTS: Final = 1_000


class Active(Document):
    """The release of one agent.

    Attributes:
        release: its digest.
        name: its short name, such as `support@14`, for people.
    """

    release: DigestField
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}@[1-9][0-9]{0,8}$")]


class Closure(Document):
    """What is active.

    Attributes:
        environment: where.
        agents: the release of each agent by slug.
        rules: what holds there.
    """

    environment: Slug
    agents: Annotated[dict[Slug, Active], Field(max_length=MOST_AGENTS, default_factory=dict)]
    rules: Rules

    def changed_from(self, before: "Closure | None") -> dict[str, Active]:
        """The agents whose release is not the one of `before`."""
        old = {} if before is None else before.agents
        return {
            slug: active
            for slug, active in self.agents.items()
            if slug not in old or old[slug].release != active.release
        }

    def removed_from(self, before: "Closure | None") -> frozenset[str]:
        """The agents of `before` that are gone."""
        return (
            frozenset() if before is None else frozenset(before.agents.keys() - self.agents.keys())
        )
