"""Base 64 (RFC 4648) with one spelling for each value."""

import base64
import binascii


def to_base64(data: bytes) -> str:
    """`data` in the standard alphabet, padded."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The bytes written as `text`, in the standard or the URL-safe alphabet, padded.

    Raises:
        ValueError: anything else: both alphabets at once, white space, missing padding, or bits
            that belong to no byte.
    """
    symbols = b"-_" if "-" in text or "_" in text else b"+/"
    try:
        data = base64.b64decode(text, altchars=symbols, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if base64.b64encode(data, altchars=symbols).decode() != text:
        raise ValueError("it has another spelling")
    return data
