"""Text in a picture: widths guessed without a font, lines broken to fit, elements escaped."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[] `-")
_WIDE: Final = frozenset("mwMW@%")
# Advance widths in ems, rounded up over Segoe UI, Helvetica, Roboto and DejaVu Sans: a guess that
# is too wide costs a little air, one that is too narrow lets text run out of its box.
_EMS_NARROW: Final = 0.36
_EMS_WIDE: Final = 0.90
_EMS_CAPITAL: Final = 0.70
_EMS: Final = 0.575
_EMS_MONO: Final = 0.602


def element(name: str, text: str = "", **attributes: object) -> str:
    """One element with escaped text; `_` in an attribute's name stands for `-`."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(str(value))}"
        for key, value in attributes.items()
    )
    return f"<{name}{given}>{escape(text)}</{name}>" if text else f"<{name}{given}/>"


def width(text: str, size: float) -> float:
    """About how wide `text` is in a sans-serif of `size` pixels."""
    return size * sum(map(_ems, text))


def mono_width(text: str, size: float) -> float:
    """How wide `text` is in a monospaced face of `size` pixels."""
    return size * _EMS_MONO * len(text)


def wrap(text: str, size: float, room: float) -> list[str]:
    """`text` in lines that fit into `room` pixels; a longer word stands alone and overflows."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _ems(character: str) -> float:
    if character in _NARROW:
        return _EMS_NARROW
    if character in _WIDE:
        return _EMS_WIDE
    return _EMS_CAPITAL if character.isupper() else _EMS
