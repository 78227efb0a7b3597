"""The table of prices, a heavy import of its own: only a process that calls models pays for it."""

from typing import Any

import genai_prices
from genai_prices import data_snapshot


def loaded() -> tuple[Any, Any]:
    """The snapshot of prices that the installed version holds, and its type of usage."""
    return data_snapshot.get_snapshot(), genai_prices.Usage
