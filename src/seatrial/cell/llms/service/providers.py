"""The providers that a cell knows: two by themselves, others by its settings."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from seatrial.cell.llms.domain import KNOWN, Dialect, Provider, ProviderUnfit
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import target


def providers(configured: Iterable[Provider]) -> Mapping[str, Provider]:
    """Those that are known by themselves and those of the settings, which win, by name.

    Raises:
        ProviderUnfit: an address is none, or a name stands twice.
    """
    found: dict[str, Provider] = {}
    for provider in configured:
        if provider.name in found:
            raise ProviderUnfit(provider=provider.name, reason="it stands twice")
        try:
            target(provider.base_url)
        except SeatrialError as error:
            raise ProviderUnfit(provider=provider.name, reason=error.message) from None
        if provider.base_url.endswith("/") or "?" in provider.base_url:
            reason = "its `base_url` ends in a slash or has a query"
            raise ProviderUnfit(provider=provider.name, reason=reason)
        found[provider.name] = _whole(provider)
    return {**KNOWN, **found}


def _whole(provider: Provider) -> Provider:
    """Anthropic's own clients are told the address without `/v1`, and so people write it."""
    missing = provider.dialect is Dialect.ANTHROPIC and not provider.base_url.endswith("/v1")
    return replace(provider, base_url=f"{provider.base_url}/v1") if missing else provider
