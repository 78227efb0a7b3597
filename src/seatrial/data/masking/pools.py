"""The frozen pools as tuples: invented names, so that none of them is anybody's."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

GIVEN: Final = "given"
FAMILY: Final = "family"
STREET: Final = "street"
CITY: Final = "city"
SUFFIXES: Final = ("Street", "Road", "Avenue", "Lane", "Drive", "Court", "Way", "Place")


@cache
def pool(kind: str) -> tuple[str, ...]:
    """All names of the pool `kind`."""
    return tuple(files("seatrial.data.pools").joinpath(f"{kind}.txt").read_text("ascii").split())


@cache
def version() -> str:
    """The first 16 digits of the SHA-256 over all pools: snapshots of one version can be joined."""
    text = "\n".join(name for kind in (GIVEN, FAMILY, STREET, CITY) for name in pool(kind))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
