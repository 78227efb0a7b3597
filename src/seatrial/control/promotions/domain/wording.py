"""What people and cells wrote, as it is kept and shown."""

from typing import Final

from seatrial.kit.text import printable

LONGEST: Final = 2_000  # characters; an entry of the log holds 16 KiB with all its facts


def kept(text: str) -> str:
    """`text` without what drives a terminal or what PostgreSQL does not keep, of bounded length."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
