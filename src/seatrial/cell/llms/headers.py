"""Which headers pass, and which end here."""

from collections.abc import Iterable
from typing import Final

from seatrial.cell.llms.domain import Dialect, Provider
from seatrial.kit.http.client import HOP_BY_HOP

_OWN: Final = frozenset(
    {
        "accept-encoding",  # what the provider sends is read for its usage, so it comes as it is
        "host",
        "cookie",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
_AUTHORITY: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "openai-organization",
        "openai-project",
    }
)
"""Who pays: the agent's own word is the slot's token, and the cell puts its provider's key here."""

_DROPPED_IN: Final = frozenset(name.encode() for name in HOP_BY_HOP | _OWN | _AUTHORITY)
_DROPPED_OUT: Final = frozenset(
    HOP_BY_HOP
    | {
        "alt-svc",
        "anthropic-organization-id",
        "date",
        "openai-organization",
        "openai-project",
        "server",
        "set-cookie",
        "strict-transport-security",
    }
)


def to_provider(
    sent: Iterable[tuple[bytes, bytes]], provider: Provider, key: str | None
) -> tuple[tuple[str, str], ...]:
    """The headers of the call to a provider, out of those that an agent sent."""
    dropped = _DROPPED_IN
    pairs = list(sent)
    for name, value in pairs:
        if name == b"connection":  # it may name further headers of this connection
            dropped = dropped | {part.strip().lower() for part in value.split(b",")}
    passed = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in pairs
        if name not in dropped
    ]
    passed.append(("accept-encoding", "identity"))
    if key is not None:
        passed.append(_authority(provider.dialect, key))
    own = {name.lower() for name, _ in provider.headers}
    return (*(pair for pair in passed if pair[0] not in own), *provider.headers)


def to_agent(answered: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """The headers of the answer to an agent, out of those that a provider sent."""
    return [(name.encode(), value.encode()) for name, value in answered if name not in _DROPPED_OUT]


def _authority(dialect: Dialect, key: str) -> tuple[str, str]:
    if dialect is Dialect.ANTHROPIC:
        return ("x-api-key", key)
    return ("authorization", f"Bearer {key}")
