"""Every rule, in the order of its code."""

from collections.abc import Iterator
from typing import Final

from dev.lint.rule import Rule, Sighting
from dev.lint.rules.child_processes import CHILD_PROCESSES
from dev.lint.rules.constants import CONSTANTS
from dev.lint.rules.environment import ENVIRONMENT
from dev.lint.rules.hidden_imports import HIDDEN_IMPORTS
from dev.lint.rules.libraries import LIBRARIES
from dev.lint.rules.names import NAMES
from dev.lint.rules.neighbours import NEIGHBOURS
from dev.lint.rules.purity import PURITY
from dev.lint.rules.randomness import RANDOMNESS
from dev.lint.rules.raw_sql import RAW_SQL
from dev.lint.rules.roles import ROLES
from dev.lint.rules.rooms import ROOMS
from dev.lint.rules.swallowed import SWALLOWED
from dev.lint.rules.transactions import TRANSACTIONS
from dev.lint.rules.values import VALUES
from dev.lint.rules.wall_clock import WALL_CLOCK
from dev.lint.source import Source


def _nothing(_: Source) -> Iterator[Sighting]:
    return iter(())


# Found by the engine, which alone knows what the other rules saw. It cannot be waived.
WAIVER: Final = Rule(
    code="SEA000",
    promise="A waiver names a rule that is broken there, and gives its reason.",
    why="a pardon that nobody can judge outlives its cause",
    remedy="write `# lint: SEA003 because …` with a reason of three words or more, or remove it",
    check=_nothing,
)

RULES: Final = (
    TRANSACTIONS,
    WALL_CLOCK,
    RANDOMNESS,
    ENVIRONMENT,
    ROOMS,
    NAMES,
    RAW_SQL,
    ROLES,
    LIBRARIES,
    NEIGHBOURS,
    SWALLOWED,
    HIDDEN_IMPORTS,
    PURITY,
    VALUES,
    CHILD_PROCESSES,
    CONSTANTS,
)
