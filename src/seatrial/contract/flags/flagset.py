"""The definition in force: replaced as a whole or not at all, while readers go on."""

from types import MappingProxyType

from seatrial.contract.flags.definition import Definition, compiled
from seatrial.contract.flags.resolution import NO_METADATA, Context, Resolution
from seatrial.contract.flags.splits import Generation


class FlagSet:
    """Holds the last good definition.

    One thread may load while others evaluate: a reader sees the old definition or the new one,
    never a part of each, since replacing is one assignment.
    """

    def __init__(self, generation: Generation) -> None:
        """An empty set; every flag is not found until the first definition is loaded."""
        self._current = Definition(
            flags=MappingProxyType({}), metadata=NO_METADATA, generation=generation
        )

    @property
    def current(self) -> Definition:
        """What is in force now."""
        return self._current

    def load(self, text: str | bytes) -> list[str]:
        """Put the definition that `text` holds in force; the keys of the flags it changes.

        Raises:
            FlagsInvalid: `text` is no definition; what was in force stays so.
            FlagsTooLarge: as `FlagsInvalid`.
        """
        fresh = compiled(text, generation=self._current.generation)
        changed = fresh.changed(self._current)
        self._current = fresh
        return changed

    def evaluate(self, key: str, context: Context, now: int) -> Resolution:
        """See `Definition.evaluate`."""
        return self._current.evaluate(key, context, now)
