"""Compressed answers taken apart piece by piece, so that a small body cannot become a huge one."""

import zlib
from typing import Final

ACCEPTED: Final = "gzip, deflate"
KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER: Final = 32 + zlib.MAX_WBITS  # zlib tells the gzip and the zlib wrapping apart itself
_PIECE: Final = 262_144  # bytes


class Inflater:
    """Feed it what came, take what was inside, at most 256 KB at a time."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_EITHER)
        self._waiting = b""
        self._begun = False

    def feed(self, data: bytes) -> None:
        """Add compressed bytes."""
        self._begun = self._begun or bool(data)
        self._waiting += data

    def take(self) -> bytes:
        """The next piece; empty when more must be fed. Raises `zlib.error` for broken data."""
        while self._waiting:
            if self._stream.eof:  # gzip may hold several members in a row
                self._stream = zlib.decompressobj(_EITHER)
            piece = self._stream.decompress(self._waiting, _PIECE)
            self._waiting = self._stream.unconsumed_tail or self._stream.unused_data
            if piece:
                return piece
        return b""

    def whole(self) -> bool:
        """Whether the compressed data has come to its own end (or never began)."""
        return self._stream.eof or not self._begun
