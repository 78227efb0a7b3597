"""AES-256-GCM with a random nonce: 12 bytes of nonce, the ciphertext, 16 bytes of tag.

With random nonces one key may encrypt 2**32 times (NIST SP 800-38D, 8.3).
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
OVERHEAD: Final = 12 + 16  # bytes that a ciphertext has more than its plaintext

_NONCE_BYTES: Final = 12

RandomBytes = Callable[[int], bytes]


class Altered(Exception):
    """It does not decrypt: another key, other associated data, or other bytes. Never says which."""


def encrypt(key: bytes, plaintext: bytes, associated: bytes, random_bytes: RandomBytes) -> bytes:
    """`plaintext` under `key`, bound to `associated`, which is not part of the result."""
    nonce = random_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def decrypt(key: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext, if `ciphertext` was made with this key and these associated data.

    Raises:
        Altered: it was not.
    """
    if len(ciphertext) < OVERHEAD:
        raise Altered
    try:
        return AESGCM(key).decrypt(ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], associated)
    except InvalidTag:
        raise Altered from None
