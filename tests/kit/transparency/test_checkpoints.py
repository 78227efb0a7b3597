import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.transparency.checkpoints import (
    Checkpoint,
    note_key,
    open_checkpoint,
    sign_checkpoint,
)
from seatrial.kit.transparency.domain import CheckpointMalformed, CheckpointUntrusted, Head

KEY = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(range(1, 33)))
ORIGIN = "seatrial.example.com/acme/production"
HEAD = Head(size=20852163, root=bytes(range(32)))
CHECKPOINT = Checkpoint(origin=ORIGIN, head=HEAD)
NOTE = sign_checkpoint(CHECKPOINT, KEY)

# Of Go's package for signed notes; the same format.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
GO_SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def key_of(text: str) -> VerifyKey:
    return VerifyKey(raw=base64.b64decode(text.split("+", 2)[2])[1:])


@pytest.mark.parametrize("text", [PETER, GO_SUM])
def test_a_key_is_named_as_others_name_it(text: str) -> None:
    assert note_key(text.partition("+")[0], key_of(text)) == text


def test_a_note_that_others_signed_verifies() -> None:
    with pytest.raises(CheckpointMalformed, match="second line is no size"):  # but it is signed
        open_checkpoint(PETERS_NOTE, "PeterNeumann", key_of(PETER))
    with pytest.raises(CheckpointUntrusted):
        open_checkpoint(PETERS_NOTE.replace("think", "thing"), "PeterNeumann", key_of(PETER))


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == [ORIGIN, "20852163", base64.b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith(f"\u2014 {ORIGIN} ")
    assert lines[5:] == [""]
    assert KEY.verify_key.verifies(
        base64.b64decode(lines[4].split(" ")[2])[4:], "\n".join([*lines[:3], ""]).encode()
    )


@given(st.integers(0, 10**18 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, head=Head(size=size, root=root))
    note = sign_checkpoint(checkpoint, KEY)
    assert open_checkpoint(note, ORIGIN, KEY.verify_key) == checkpoint


@given(st.integers(0, len(NOTE) - 1), st.characters(max_codepoint=127))
def test_a_checkpoint_with_one_character_changed_is_refused(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises((CheckpointMalformed, CheckpointUntrusted)):
            open_checkpoint(changed, ORIGIN, KEY.verify_key)


def test_signatures_of_others_are_passed_over() -> None:
    witness = sign_checkpoint(Checkpoint(origin="witness.example", head=HEAD), OTHER)
    rotated = sign_checkpoint(CHECKPOINT, OTHER)
    more = NOTE + witness.rpartition("\n\n")[2] + rotated.rpartition("\n\n")[2]
    assert open_checkpoint(more, ORIGIN, KEY.verify_key) == CHECKPOINT
    assert open_checkpoint(more, ORIGIN, OTHER.verify_key) == CHECKPOINT


def test_another_key_or_another_log_is_not_this_log() -> None:
    with pytest.raises(CheckpointUntrusted):
        open_checkpoint(NOTE, ORIGIN, OTHER.verify_key)
    with pytest.raises(CheckpointUntrusted):
        open_checkpoint(NOTE, "another.example", KEY.verify_key)


def signed(text: str, name: str = ORIGIN) -> str:
    """Any text, signed as if it were a checkpoint."""
    key_id = bytes.fromhex(note_key(name, KEY.verify_key).split("+")[1])
    signature = base64.b64encode(key_id + KEY.sign(text.encode())).decode()
    return f"{text}\n\u2014 {name} {signature}\n"


def test_the_origin_inside_counts_not_the_name_beside_the_signature() -> None:
    text = Checkpoint(origin="another.example", head=HEAD).text()
    with pytest.raises(CheckpointUntrusted):
        open_checkpoint(signed(text), ORIGIN, KEY.verify_key)


def test_extension_lines_are_passed_over() -> None:
    note = signed(f"{CHECKPOINT.text()}region eu\n")
    assert open_checkpoint(note, ORIGIN, KEY.verify_key) == CHECKPOINT


ROOT = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n07\n{ROOT}\n",
        f"{ORIGIN}\n-7\n{ROOT}\n",
        f"{ORIGIN}\n\uff17\n{ROOT}\n",
        f"{ORIGIN}\n7\n{ROOT[:-2]}\n",
        f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n7\n{base64.urlsafe_b64encode(bytes([255]) * 32).decode()}\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n",
        f"{ORIGIN}\n7\n{ROOT}\n\nmore\n",
    ],
)
def test_what_is_signed_and_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(signed(text), ORIGIN, KEY.verify_key)


@pytest.mark.parametrize(
    "bend",
    [
        lambda note: note[:0],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.removesuffix("\n"),
        lambda note: note + "not a signature\n",
        lambda note: note.replace("\u2014", "-"),
        lambda note: note + f"\u2014 short {base64.b64encode(b'1234').decode()}\n",
        lambda note: note + "\u2014 spelled QUJDREV\n",
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note + f"\u2014 {'w' * (64 << 10)} QUJDREVG\n",
    ],
)
def test_what_is_no_note_is_refused(bend: Callable[[str], str]) -> None:
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(bend(NOTE), ORIGIN, KEY.verify_key)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "line\nbreak", "\u00fcber", "x" * 201])
def test_a_log_has_a_name_that_a_key_can_have(origin: str) -> None:
    with pytest.raises(CheckpointMalformed, match="cannot be the name"):
        sign_checkpoint(Checkpoint(origin=origin, head=HEAD), KEY)


def test_one_bad_signature_of_the_right_key_spoils_the_note() -> None:
    forged = signed("something else\n").rpartition("\n\n")[2]
    with pytest.raises(CheckpointUntrusted):
        open_checkpoint(NOTE + forged, ORIGIN, KEY.verify_key)
