"""SEA003: a rule gives the same answer twice."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.places import holds_rules
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_SEEDED: Final = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.SeedSequence"}
)
_TYPES: Final = frozenset(
    {"numpy.random.BitGenerator", "numpy.random.Generator", "numpy.random.PCG64"}
)
_RANDOM: Final = frozenset({"os.urandom", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"})
_FAMILIES: Final = ("random.", "secrets.", "numpy.random.")


def _check(source: Source) -> Iterator[Sighting]:
    if not holds_rules(source.place):
        return
    for node, name in source.references():
        if name in _RANDOM or (name.startswith(_FAMILIES) and name not in _SEEDED | _TYPES):
            yield at(node, f"`{name}` draws by chance inside a rule")
    for call in source.calls():
        if source.dotted(call.func) in _SEEDED and not _seed(call):
            yield at(call, f"`{ast.unparse(call)}` has no seed")
        if isinstance(call.func, ast.Name) and call.func.id == "hash":
            yield at(call, "`hash` of a text differs from one process to the next")


def _seed(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in given)


RANDOMNESS: Final = Rule(
    code="SEA003",
    promise="Rules draw nothing by chance: `contract`, `stats`, every domain, and in `data`, "
    "`cell`, `control` and `stop` each file that is no service, store or edge.",
    why="the same input must give the same digest, bucket and verdict on every machine",
    remedy="take the id, the seed or the generator as an argument",
    check=_check,
)
