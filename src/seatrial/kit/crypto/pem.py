"""Keys as PEM text, and back."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from seatrial.kit.errors import Invalid


class KeyMalformed(Invalid):
    """This is no {kind} key: {reason}."""

    code = "key_malformed"
    cause = (
        "The text was cut or altered, or holds a key of another kind, or one that proves nothing."
    )
    remedy = "Copy the key whole from where it was made, or make a new one."


def signing_key(text: bytes) -> Ed25519PrivateKey:
    """The Ed25519 private key in `text`, PKCS #8 without passphrase; raises `KeyMalformed`."""
    key = _private(text, "Ed25519 private")
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMalformed(kind="Ed25519 private", reason="the text holds another kind of key")
    return key


def opening_key(text: bytes) -> X25519PrivateKey:
    """The X25519 private key in `text`, PKCS #8 without passphrase; raises `KeyMalformed`."""
    key = _private(text, "X25519 private")
    if not isinstance(key, X25519PrivateKey):
        raise KeyMalformed(kind="X25519 private", reason="the text holds another kind of key")
    return key


def verify_key(text: bytes) -> Ed25519PublicKey:
    """The Ed25519 public key in `text`, a SubjectPublicKeyInfo; raises `KeyMalformed`."""
    key = _public(text, "Ed25519 public")
    if not isinstance(key, Ed25519PublicKey):
        raise KeyMalformed(kind="Ed25519 public", reason="the text holds another kind of key")
    return key


def sealing_key(text: bytes) -> X25519PublicKey:
    """The X25519 public key in `text`, a SubjectPublicKeyInfo; raises `KeyMalformed`."""
    key = _public(text, "X25519 public")
    if not isinstance(key, X25519PublicKey):
        raise KeyMalformed(kind="X25519 public", reason="the text holds another kind of key")
    return key


def private_text(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    """The private key as PKCS #8 without passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_text(key: Ed25519PublicKey | X25519PublicKey) -> bytes:
    """The public key as SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private(text: bytes, kind: str) -> object:
    try:
        return load_pem_private_key(text, password=None)
    except TypeError:
        raise KeyMalformed(kind=kind, reason="a passphrase protects it: unsupported") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyMalformed(kind=kind, reason="the text is no PEM of a key") from None


def _public(text: bytes, kind: str) -> object:
    try:
        return load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyMalformed(kind=kind, reason="the text is no PEM of a key") from None
