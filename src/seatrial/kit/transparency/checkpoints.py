"""Checkpoints: a log's size and root, signed, in the format that witnesses of other logs read.

The text is a C2SP tlog-checkpoint in a C2SP signed-note, with an Ed25519 signature whose key is
named as the log is (its origin). Read one from outside with `open_checkpoint` alone: what it
returns is verified.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.transparency.domain import CheckpointMalformed, CheckpointUntrusted, Head

LARGEST_CHECKPOINT: Final = 64 << 10  # characters; room for many witnesses

_ED25519: Final = b"\x01"
_ORIGIN: Final = re.compile(r"[!-*,-~]{1,200}\Z")  # ASCII that is printed, without space and plus
_SIZE: Final = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)\Z")
_KEY_ID_BYTES: Final = 4
_ROOT_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a log says of itself at one moment.

    Attributes:
        origin: the log's name, unique in the world, best a URL without scheme, as
            `seatrial.example.com/acme/production`. ASCII, no space, no plus.
        head: its size and root.
    """

    origin: str
    head: Head

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.head.size}\n{to_base64(self.head.root)}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """`checkpoint` as a note signed by `key`, the log's own.

    A log must never sign two checkpoints of which one does not continue the other; see
    `service.checkpoint`, which makes sure of it.

    Raises:
        CheckpointMalformed: the origin cannot be a key's name.
    """
    key_id = _key_id(checkpoint.origin, key.verify_key)
    signature = key_id + key.sign(checkpoint.text().encode())
    return f"{checkpoint.text()}\n\u2014 {checkpoint.origin} {to_base64(signature)}\n"


def open_checkpoint(note: str, origin: str, key: VerifyKey) -> Checkpoint:
    """The checkpoint in `note`, if it is of the log `origin` and signed by its `key`.

    Signatures of others (witnesses, a key that is being rotated) are passed over, and so are
    extension lines.

    Raises:
        CheckpointMalformed: no note, or no checkpoint in it.
        CheckpointUntrusted: not signed by that key, or one signature of it does not fit.
    """
    text, signatures = _parts(note)
    key_id = _key_id(origin, key)
    ours = [
        data[_KEY_ID_BYTES:]
        for name, data in signatures
        if name == origin and data[:_KEY_ID_BYTES] == key_id
    ]
    if not ours or not all(key.verifies(signature, text.encode()) for signature in ours):
        raise CheckpointUntrusted(origin=origin)
    checkpoint = _parsed(text)
    if checkpoint.origin != origin:
        raise CheckpointUntrusted(origin=origin)
    return checkpoint


def note_key(origin: str, key: VerifyKey) -> str:
    """The key as other tools for signed notes take it: `origin+hash+base64`."""
    return f"{origin}+{_key_id(origin, key).hex()}+{to_base64(_ED25519 + key.raw)}"


def _key_id(name: str, key: VerifyKey) -> bytes:
    if not _ORIGIN.match(name):
        raise CheckpointMalformed(reason=f"{name!r} cannot be the name of a log")
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:_KEY_ID_BYTES]


def _parts(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text and the signatures, by name of their keys."""
    if len(note) > LARGEST_CHECKPOINT:
        raise CheckpointMalformed(reason=f"it is longer than {LARGEST_CHECKPOINT} characters")
    if any(character < " " and character != "\n" for character in note):
        raise CheckpointMalformed(reason="it holds a control character")
    text, blank, below = note.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise CheckpointMalformed(reason="it has no signatures below a blank line")
    return f"{text}\n", [_signature(line) for line in below[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    match = _SIGNATURE.match(line)
    if match is None:
        raise CheckpointMalformed(reason="a line below is no signature")
    data = _bytes(match[2])
    if len(data) <= _KEY_ID_BYTES:
        raise CheckpointMalformed(reason="a signature is too short")
    return match[1], data


def _parsed(text: str) -> Checkpoint:
    origin, size, root, *extensions = text.removesuffix("\n").split("\n") + [""] * 2
    if not _SIZE.match(size):
        raise CheckpointMalformed(reason="its second line is no size")
    if not all(extensions[:-2]):
        raise CheckpointMalformed(reason="it holds an empty line")
    data = _bytes(root)
    if len(data) != _ROOT_BYTES:
        raise CheckpointMalformed(reason="its third line is no root")
    return Checkpoint(origin=origin, head=Head(size=int(size), root=data))


def _bytes(text: str) -> bytes:
    try:
        data = from_base64(text)
    except ValueError:
        raise CheckpointMalformed(reason="it holds what is no base 64") from None
    if to_base64(data) != text:
        raise CheckpointMalformed(reason="it holds base 64 of another alphabet")
    return data
