"""What can be wrong with a flag definition: where, what it leads to, and what to do."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from seatrial.kit.errors import Invalid, TooLarge

Place = tuple["Place", str | int] | None
"""Where something stands in the document, as a chain that leads back to the whole (None)."""


class Severity(enum.StrEnum):
    """How bad a finding is."""

    REFUSED = "refused"
    """The definition is not taken; what was served before goes on."""

    ERROR = "error"
    """It is taken; some users, or all, are answered with an error or never by the rule."""

    WARNING = "warning"
    """It works, and most likely not as meant."""

    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What can be said of one kind of finding; the texts are templates over its fields."""

    severity: Severity
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: the stable name of its kind, a key of `KINDS`.
        severity: how bad it is.
        place: where, as a JSON Pointer (RFC 6901); empty for the whole document.
        meaning: what it leads to.
        remedy: what to do.
    """

    code: str
    severity: Severity
    place: str
    meaning: str
    remedy: str


class FlagsInvalid(Invalid):
    """Flag definition refused at {place!r}: {meaning} Remedy: {advice}."""

    code = "flags_invalid"
    cause = "The file is not JSON, breaks flagd's schema, or could not be evaluated safely."
    remedy = "Correct the place that is named; linting the file lists every finding at once."


class FlagsTooLarge(TooLarge):
    """Flag definition refused: it has {size} bytes, and {limit} are taken."""

    code = "flags_too_large"
    cause = "Every process that evaluates flags holds the whole definition in memory."
    remedy = "Move long lists of users into an attribute of the context, or split the flags."


def found(code: str, place: Place, **fields: object) -> Finding:
    """A finding of the kind `code`, its texts filled from `fields`."""
    kind = KINDS[code]
    return Finding(
        code=code,
        severity=kind.severity,
        place=pointer(place),
        meaning=kind.meaning.format(**fields),
        remedy=kind.remedy.format(**fields),
    )


def refusal(finding: Finding) -> FlagsInvalid:
    """The finding as the error that refuses the definition."""
    return FlagsInvalid(place=finding.place, meaning=finding.meaning, advice=finding.remedy[:-1])


def pointer(place: Place) -> str:
    """`place` as a JSON Pointer."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{step}" for step in reversed(steps))


def _refused(meaning: str, remedy: str) -> Kind:
    return Kind(severity=Severity.REFUSED, meaning=meaning, remedy=remedy)


def _error(meaning: str, remedy: str) -> Kind:
    return Kind(severity=Severity.ERROR, meaning=meaning, remedy=remedy)


def _warning(meaning: str, remedy: str) -> Kind:
    return Kind(severity=Severity.WARNING, meaning=meaning, remedy=remedy)


def _note(meaning: str, remedy: str) -> Kind:
    return Kind(severity=Severity.NOTE, meaning=meaning, remedy=remedy)


KINDS: Final[Mapping[str, Kind]] = {
    # The document
    "not_json": _refused("{fault}.", "Correct the JSON there."),
    "not_utf8": _refused("Byte {byte} is not UTF-8.", "Save the file as UTF-8."),
    "not_unicode": _refused(
        "The text holds one half of a surrogate pair.",
        "Write the character itself, or both halves.",
    ),
    "not_an_object": _refused("The document is no JSON object.", 'Begin with {{"flags": ….'),
    "key_twice": _refused(
        "The key {name!r} stands twice in one object; readers disagree on which one counts.",
        "Remove one of the two.",
    ),
    "number_endless": _refused(
        "It is NaN, infinite or too large, and JSON knows no such number.", "Write another number."
    ),
    "nested_too_deep": _refused(
        "Lists and objects stand more than {limit} deep inside one another.",
        "Use the else-if form of `if`, or shared rules under `$evaluators`.",
    ),
    # Flags
    "no_flags": _refused(
        "A definition needs an object `flags`, from each flag's key to the flag.",
        'Write {{"flags": {{"my-flag": {{…}}}}}}.',
    ),
    "evaluators_shape": _refused(
        "Shared rules are an object from name to rule.", "Write an object, or leave it out."
    ),
    "name_shape": _refused(
        "A name has one character at least, and no line break.", "Give it a plain name."
    ),
    "flag_shape": _refused("A flag is an object.", "Give it a state and variants."),
    "property_unknown": _refused(
        "No engine reads {name!r} of a flag.", "Correct the spelling; keep notes in `metadata`."
    ),
    "state_unknown": _refused("A flag's state is ENABLED or DISABLED.", "Write one of the two."),
    "default_shape": _refused(
        "The default variant is the name of a variant, or null.", "Write the name in quotes."
    ),
    "no_variants": _refused(
        "A flag needs variants: an object from name to value.",
        'Write {{"on": true, "off": false}}, for example.',
    ),
    "variant_shape": _refused(
        "A variant is true or false, a text, a number or an object.",
        "Wrap a list into an object; leave null out.",
    ),
    "variants_mixed": _refused(
        "This variant is {kind}, the first one is {first}; callers ask for one type.",
        "Give every variant of the flag the same type.",
    ),
    "number_unsafe": _refused(
        "Numbers beyond ±9007199254740991 change on their way to other languages.",
        "Write it as a text.",
    ),
    "metadata_shape": _refused(
        "Metadata goes from names to texts, numbers, true and false; `flagSetId` and `version` of "
        "the whole are texts.",
        "Turn the value into a text.",
    ),
    # Rules
    "not_a_rule": _refused(
        "A rule is an object with one operator.", "Leave it out where nothing is to be decided."
    ),
    "rule_empty": _refused(
        "An empty object is no rule here.", "Write true, false, null or a rule with an operator."
    ),
    "operators_several": _refused(
        "A rule has one operator; here stand {count}: {names}.",
        "Nest them, or join them by `and` or `or`.",
    ),
    "operator_unknown": _refused("There is no operator {name!r}.", "Use one of: {known}."),
    "arguments_not_listed": _refused("The arguments of {name!r} are a list.", "Put them into [ ]."),
    "arguments_count": _refused(
        "{name!r} takes {range} arguments; here stand {count}.", "Add what is missing or nest."
    ),
    "argument_shape": _refused("{name!r} takes {wanted} here.", "Write it so."),
    "name_reserved": _refused(
        "flagd puts no {name!r} into the context.",
        "Use `$flagd.flagKey` or `$flagd.timestamp`.",
    ),
    "reference_unknown": _refused(
        "There is no shared rule {name!r} under `$evaluators`.", "There are: {known}."
    ),
    "reference_circle": _refused(
        "The shared rules go in a circle: {circle}.", "Take one of these `$ref`s out."
    ),
    "rule_too_deep": _refused(
        "More than {limit} operators stand inside one another, shared rules written out.",
        "Use the else-if form of `if`: [test, then, test, then, …, else].",
    ),
    "rule_too_long": _refused(
        "The rule may take {steps} steps, shared rules written out; {limit} are taken, and "
        "{limit_in_all} in the whole definition.",
        "Compute it into an attribute of the context instead.",
    ),
    "arm_shape": _refused(
        "An arm of a split is a list of a variant and, mostly, a weight.",
        'Write ["on", 5], for example.',
    ),
    "weight_shape": _refused(
        "A weight is a whole number from 0 up.",
        "Multiply all weights of the split until they are whole.",
    ),
    # What lint finds in a definition that is taken
    "default_unknown": _error(
        "The default variant {name!r} is no variant: whoever falls back on it gets an error.",
        "Name one of: {known}.",
    ),
    "variant_unknown": _error(
        "The rule may give {name!r}, which is no variant: whoever gets it gets an error.",
        "Name one of: {known}.",
    ),
    "split_impossible": _error(
        "No user is ever drawn: the weights sum to 0 or to more than 2147483647, or one is "
        "written with a decimal point.",
        "Write whole weights that sum to 100.",
    ),
    "version_unreadable": _error(
        "{text!r} is no version, so the comparison never holds.", "Write it as 1.2.3."
    ),
    "split_unsalted": _warning(
        "Every flag split by {name!r} alone draws the same users first.",
        'Hash {{"cat": [{{"var": "$flagd.flagKey"}}, {{"var": "{name}"}}]}}.',
    ),
    "split_in_loop": _warning(
        "In a loop the split reads `targetingKey` of the item, not of the user.",
        "Say what to hash, or move the split out of the loop.",
    ),
    "branch_never": _warning(
        "This branch is never reached: {why}.", "Remove it, or correct the test."
    ),
    "list_never_equal": _warning(
        "`==` with a list never holds for another list.", "Use `in` to look for a value in it."
    ),
    "numbers_mixed": _warning(
        "Some variants are whole, others not: who asks for whole numbers gets errors.",
        "Write all of them with a decimal point, or none.",
    ),
    "key_awkward": _warning(
        "OFREP clients put the key into a URL as it is; {character!r} breaks it there.",
        "Use letters, digits, '-', '_' and '.'.",
    ),
    "property_ignored": _warning("No engine reads {name!r} here.", "Correct the spelling."),
    "split_text_only": _note(
        "Generation v2 hashes texts alone: where {name!r} is a number or missing, nobody is "
        "drawn and the default variant answers.",
        'Turn it into a text by {{"cat": [{{"var": "{name}"}}]}}.',
    ),
    "no_default": _note(
        "Without a default variant the default in the caller's code answers.",
        "Name a default variant, if all callers should get the same.",
    ),
    "variant_unused": _note("No rule gives {name!r}.", "Remove the variant, or use it."),
    "evaluator_unused": _note("No flag uses this shared rule.", "Remove it, or use it."),
    # What an edit does
    "users_moved_back": _warning(
        "{left} leave {name!r} while {joined} come to it; a share that grows should only add.",
        "Keep the order of the arms and the sum of their weights, or let `reweighted` place them.",
    ),
    "users_leave": _note("{left} leave {name!r}.", "Nothing, if the share was meant to shrink."),
    "generation_changed": _warning(
        "Splits hash other bytes than before: nearly every user is drawn anew.",
        "Change it only where no rollout is under way.",
    ),
    "value_changed": _note(
        "The variant {name!r} has another value: its users get it without being moved.",
        "Nothing, if that was meant.",
    ),
}
"""Every kind of finding, by its code."""
