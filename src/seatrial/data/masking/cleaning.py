"""Texts freed of what hides letters from a search: invisible characters, look-alikes, escapes."""

import html
import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_INVISIBLE: Final = dict.fromkeys(
    (
        *(0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
    )
)
# Full-width forms, circled and mathematical letters: whatever looks like a letter of ASCII.
_ALIKE: Final = re.compile("[\u2100-\u214f\u2460-\u24ff\uff01-\uffee\U0001d400-\U0001d7ff]+")
_DIGIT: Final = re.compile(r"(?![0-9])\d")  # of any script
_ENTITY: Final = re.compile(r"&#(?:\d{1,6}|[xX][0-9a-fA-F]{1,5});")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_PERCENT: Final = re.compile(r"%(?:3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|2[dDeE]|5[fF])")
_PERCENT_BEYOND: Final = re.compile(r"(?:%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){1,3})+")
_QUOTING: Final = frozenset("\"\\'<>&")


def cleaned(text: str) -> str:
    """`text` with the same meaning, its letters and digits written plainly."""
    if not text.isascii():
        text = text.translate(_INVISIBLE)
        text = _ALIKE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    if "&#" in text:
        text = _ENTITY.sub(_unescaped, text)
    if "\\u" in text:
        text = _ESCAPE.sub(_character, text)
    if "%" in text:
        text = _PERCENT.sub(lambda found: unquote(found[0]), text)
        text = _PERCENT_BEYOND.sub(_letters, text)
    return text


def _unescaped(found: re.Match[str]) -> str:
    character = html.unescape(found[0])
    return found[0] if character in _QUOTING or not character.isprintable() else character


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    plain = character.isalnum() or (character.isascii() and character.isprintable())
    return character if plain and character not in _QUOTING else found[0]


def _letters(found: re.Match[str]) -> str:
    letters = unquote(found[0], errors="replace")
    return letters if letters.isalnum() else found[0]
