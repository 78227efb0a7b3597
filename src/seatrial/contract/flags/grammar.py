"""Which rules may be written: flagd's JSON Schema for targeting, and what keeps evaluation safe.

What the schema refuses is refused, and so is what slips through its holes: an object of several
operators (engines disagree on which one counts), unknown operators inside lists, a `$ref` to
nothing or to itself. Three forms that it has not caught up with are taken, for every engine
evaluates them alike: `$ref` wherever a rule may stand, and in `sem_ver` any rule and `v1.2`.
"""

from collections.abc import Mapping
from typing import Final

from seatrial.contract.flags.arguments import ARITIES, BARE, LOOPS, SHAPES, counted
from seatrial.contract.flags.findings import Finding, Place, found
from seatrial.contract.flags.values import Value

DEEPEST: Final = 64  # operators inside one another; each is a Python frame at evaluation
MOST_STEPS: Final = 50_000  # of one rule
MOST_STEPS_IN_ALL: Final = 500_000  # of all rules: compiling them takes 3.5 s and 0.2 GiB

Size = tuple[int, int]
"""How many operators a rule goes through at most, and how deep they stand inside one another."""


class Grammar:
    """Checks rules, and gathers what is wrong with them.

    Attributes:
        findings: what was found so far.
    """

    def __init__(self, evaluators: Mapping[str, Value]) -> None:
        self.findings: list[Finding] = []
        self._evaluators = evaluators
        self._sizes: dict[str, Size] = {}
        self._steps_in_all = 0

    def targeting(self, rule: Value, place: Place) -> None:
        """Check the rule of one flag."""
        if not isinstance(rule, dict):
            self._refuse("not_a_rule", place)
            return
        steps, _ = self._rule(rule, place, 0, ()) if rule else (0, 0)
        self._steps_in_all += steps
        if steps > MOST_STEPS or self._steps_in_all > MOST_STEPS_IN_ALL:
            self._refuse(
                "rule_too_long",
                place,
                steps=steps,
                limit=MOST_STEPS,
                limit_in_all=MOST_STEPS_IN_ALL,
            )

    def evaluator(self, name: str, place: Place) -> None:
        """Check the shared rule `name`, which stands at `place`."""
        if isinstance(self._evaluators[name], dict):
            self._referred(name, 0, ())
        else:
            self._refuse("not_a_rule", place)

    def _refuse(self, code: str, place: Place, **fields: object) -> Size:
        self.findings.append(found(code, place, **fields))
        return 0, 0

    def _rule(self, rule: Value, place: Place, depth: int, above: tuple[str, ...]) -> Size:
        if isinstance(rule, list):
            sizes = [self._rule(item, (place, at), depth, above) for at, item in enumerate(rule)]
            return sum(steps for steps, _ in sizes), max((deep for _, deep in sizes), default=0)
        if not isinstance(rule, dict):
            return 0, 0
        if depth >= DEEPEST:
            return self._refuse("rule_too_deep", place, limit=DEEPEST)
        if len(rule) != 1:
            code = "operators_several" if rule else "rule_empty"
            return self._refuse(code, place, count=len(rule), names=", ".join(sorted(rule)))
        ((operator, args),) = rule.items()
        if operator == "$ref":
            return self._reference(args, place, depth, above)
        return self._operation(operator, args, (place, operator), depth, above)

    def _operation(
        self, operator: str, args: Value, place: Place, depth: int, above: tuple[str, ...]
    ) -> Size:
        if operator not in ARITIES:
            return self._refuse("operator_unknown", place, name=operator, known=" ".join(ARITIES))
        if not isinstance(args, list):
            if operator not in BARE:
                return self._refuse("arguments_not_listed", place, name=operator)
            args = [args]
        least, most = ARITIES[operator]
        if not least <= len(args) <= most:
            return self._refuse(
                "arguments_count",
                place,
                name=operator,
                range=counted(operator),
                count=len(args),
            )
        if operator in SHAPES:
            self.findings += SHAPES[operator](args, place)
        sizes = [self._rule(arg, (place, at), depth + 1, above) for at, arg in enumerate(args)]
        steps = sum(steps for steps, _ in sizes)
        if operator in LOOPS and isinstance(args[0], list):
            steps += (sizes[1][0] + 1) * len(args[0])
        return steps + 1, max((deep for _, deep in sizes), default=0) + 1

    def _reference(self, name: Value, place: Place, depth: int, above: tuple[str, ...]) -> Size:
        if not isinstance(name, str) or name not in self._evaluators:
            known = ", ".join(self._evaluators) or "none"
            return self._refuse("reference_unknown", place, name=name, known=known)
        if name in above:
            circle = " → ".join((*above[above.index(name) :], name))
            return self._refuse("reference_circle", place, circle=circle)
        size = self._referred(name, depth, above)
        if depth + size[1] > DEEPEST:
            return self._refuse("rule_too_deep", place, limit=DEEPEST)
        return size

    def _referred(self, name: str, depth: int, above: tuple[str, ...]) -> Size:
        if name not in self._sizes:
            rule = self._evaluators[name]
            own: Place = ((None, "$evaluators"), name)
            self._sizes[name] = self._rule(rule, own, depth, (*above, name)) if rule else (0, 0)
        return self._sizes[name]
