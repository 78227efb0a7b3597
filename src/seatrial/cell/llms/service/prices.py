"""What tokens cost, by the price table of `genai-prices`."""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any, Final

from seatrial.cell.journal.domain.calls import Tokens
from seatrial.kit.clock import Clock

_LOG: Final = logging.getLogger(__name__)
_Price = Callable[[Tokens], float | None]
_MANY: Final = 1_000_000  # tokens: prices are quoted for so many
_PROBES: Final = tuple(
    Tokens(input=n, output=n // 3, cache_read=n // 5, cache_write=n // 7)
    for n in (7, 1_000, 20_000, 150_000, 250_000, 300_000, 900_000, 5_000_000)
)
"""Known steps in prices begin at 128,000, 200,000, 256,000 and 272,000 tokens of input."""

_MOST: Final = 1_000  # models whose price is remembered
_AGE: Final = 3_600.0  # seconds: prices that change by the hour of the day are looked up again


class Prices:
    """Prices by provider and model.

    The table takes 0.4 s and 30 MB, so it is loaded in a thread, and only where models are called.

    Args:
        clock: for the age of what is known.
        load: `price_table.loaded`, imported when it is called.
    """

    def __init__(self, clock: Clock, load: Callable[[], tuple[Any, Any]]) -> None:
        self._clock = clock
        self._load_table = load
        self._known: dict[tuple[str, str], tuple[float, _Price]] = {}
        self._table: Any = None
        self._loading: asyncio.Task[Any] | None = None

    def warm(self) -> None:
        """Begin to load the table, if nobody has."""
        if self._table is None and self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load_table))

    async def cost(self, provider: str, model: str, tokens: Tokens) -> float | None:
        """USD for `tokens`; None where the table does not know the model."""
        if self._table is None and not await self._load():
            return None
        key, now = (provider, model), self._clock.steady()
        found = self._known.get(key)
        if found is None or now - found[0] > _AGE:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[key] = (now, self._price(provider, model))
        try:
            return found[1](tokens)
        except Exception:  # noqa: BLE001 - an odd count must not cost an agent its answer
            _LOG.exception("cannot price %r of %s", model, provider)
            return None

    async def _load(self) -> bool:
        self.warm()
        if self._loading is None:
            return False
        try:
            self._table = await asyncio.shield(self._loading)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("the price table cannot be loaded; costs are unknown")
            self._loading = None
            return False
        return True

    def _price(self, provider: str, model: str) -> _Price:
        snapshot, usage = self._table
        try:
            _, info = snapshot.find_provider_model(model, None, provider, None)
            prices = info.get_prices(self._clock.now())
        except LookupError:
            _LOG.warning(
                "no price is known for %r of %s: its calls count as free",
                model,
                provider,
                extra={"event": "price_unknown"},
            )
            return _unknown

        def price(tokens: Tokens) -> float | None:
            used = usage(
                input_tokens=tokens.input,
                output_tokens=tokens.output,
                cache_read_tokens=tokens.cache_read or None,
                cache_write_tokens=tokens.cache_write or None,
            )
            return float(prices.calc_price(used)["total_price"])

        return _straight(price) or price


def _straight(price: _Price) -> _Price | None:
    """The same price as a sum of products, 100 times as fast; None where it has steps."""
    per_input, per_output, per_read, per_written = (
        (price(many) or 0.0) / _MANY
        for many in (
            Tokens(input=_MANY, output=0),
            Tokens(input=0, output=_MANY),
            Tokens(input=_MANY, output=0, cache_read=_MANY),
            Tokens(input=_MANY, output=0, cache_write=_MANY),
        )
    )

    def sum_of(tokens: Tokens) -> float:
        fresh = tokens.input - tokens.cache_read - tokens.cache_write
        return (
            fresh * per_input
            + tokens.output * per_output
            + tokens.cache_read * per_read
            + tokens.cache_write * per_written
        )

    for probe in _PROBES:
        exact = price(probe)
        if exact is None or not math.isclose(exact, sum_of(probe), rel_tol=1e-9, abs_tol=1e-12):
            return None
    return sum_of


def _unknown(_tokens: Tokens) -> None:
    return None
