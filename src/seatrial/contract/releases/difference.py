"""What changed between two releases: every field that a promotion would write, by its path."""

import enum
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from seatrial.contract.documents import JsonObject
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest

_ABSENT: Final = object()


class Change(enum.StrEnum):
    """What became of a component."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field of a component.

    Attributes:
        path: where, such as `input_schema.properties.amount.type`; empty for the whole.
        before: its value; None where it was not there.
        after: likewise.
    """

    path: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, kw_only=True)
class ComponentChange:
    """One component that is not the same in both.

    Attributes:
        address: `kind/name`.
        change: what happened.
        fields: each field that differs.
    """

    address: str
    change: Change
    fields: tuple[FieldChange, ...]


def difference(before: Release | None, after: Release | None) -> tuple[ComponentChange, ...]:
    """All that differs, by address; nothing is left out, so silence is proof of sameness."""
    old = {} if before is None else {each.address: each.body for each in before.components}
    new = {} if after is None else {each.address: each.body for each in after.components}
    return tuple(
        ComponentChange(
            address=address,
            change=_change(address, old, new),
            fields=tuple(_fields("", old.get(address, _ABSENT), new.get(address, _ABSENT))),
        )
        for address in sorted(old.keys() | new.keys())
        if _digest(before, address) != _digest(after, address)
    )


def _digest(release: Release | None, address: str) -> Digest | None:
    return None if release is None else release.manifest.components.get(address)


def _change(address: str, old: dict[str, JsonObject], new: dict[str, JsonObject]) -> Change:
    if address not in old:
        return Change.ADDED
    return Change.CHANGED if address in new else Change.REMOVED


def _fields(path: str, before: object, after: object) -> list[FieldChange]:
    if before is not _ABSENT and after is not _ABSENT and canonical(before) == canonical(after):
        return []  # not `==`, for which 1 is True
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            change
            for key in sorted(before.keys() | after.keys())
            for change in _fields(
                f"{path}.{key}" if path else key,
                before.get(key, _ABSENT),
                after.get(key, _ABSENT),
            )
        ]
    return [FieldChange(path=path, before=_shown(before), after=_shown(after))]


def _shown(value: object) -> JsonValue:
    return None if value is _ABSENT else value  # type: ignore[return-value]  # a JSON value
