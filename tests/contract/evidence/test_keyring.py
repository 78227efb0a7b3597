"""Only the root key says whose signatures count, and it is never made to go back."""

import pytest

from seatrial.contract.evidence.keyring import (
    KeyringOlder,
    KeyringUnfit,
    open_keyring,
    sign_keyring,
)
from seatrial.kit.crypto.dsse import EnvelopeUntrusted
from seatrial.kit.errors import SeatrialError
from tests.contract.making import Crew


def test_a_keyring_opens_under_its_root_and_names_everybody() -> None:
    crew = Crew()
    opened = open_keyring(
        sign_keyring(crew.keyring(3), crew.root), roots=[crew.root.verify_key], at_least=3
    )
    assert opened == crew.keyring(3) or opened.version == 3
    assert opened.control_keys == (crew.control.verify_key,)
    person = opened.person_of(crew.releaser.verify_key)
    cell = opened.cell_of(crew.staging.verify_key)
    assert person is not None
    assert person.name == "Grace"
    assert cell is not None
    assert cell.environment == "staging"
    assert opened.person_of(crew.stranger.verify_key) is None
    assert opened.cell_of(crew.author.verify_key) is None
    assert opened.keys_of_cell("production") == (crew.production.verify_key,)
    assert [each.name for each in opened.cells_of("staging")] == ["staging"]


def test_another_root_or_an_older_version_is_refused() -> None:
    crew = Crew()
    envelope = sign_keyring(crew.keyring(2), crew.root)
    with pytest.raises(EnvelopeUntrusted):
        open_keyring(envelope, roots=[crew.stranger.verify_key], at_least=0)
    with pytest.raises(KeyringOlder):
        open_keyring(envelope, roots=[crew.root.verify_key], at_least=3)


def test_nobody_speaks_for_two_even_if_the_root_signed_it() -> None:
    """Whoever signed did not see that a process which asked to be staging has control's key."""
    crew = Crew()
    ring = crew.keyring()
    staging, production = ring.cells
    (replica,) = staging.replicas
    forged = replica.model_copy(update={"signing": crew.control.verify_key.id})
    wrong = staging.model_copy(update={"replicas": (replica, forged)})
    envelope = sign_keyring(ring.model_copy(update={"cells": (wrong, production)}), crew.root)
    with pytest.raises(KeyringUnfit):
        open_keyring(envelope, roots=[crew.root.verify_key], at_least=1)


def test_one_changed_byte_is_refused_wherever_it_is() -> None:
    crew = Crew()
    envelope = bytearray(sign_keyring(crew.keyring(), crew.root))
    start = envelope.index(b"payload")
    for place in range(start, start + 600, 7):
        altered = (
            bytes(envelope[:place]) + bytes([envelope[place] ^ 1]) + bytes(envelope[place + 1 :])
        )
        with pytest.raises(SeatrialError):
            open_keyring(altered, roots=[crew.root.verify_key], at_least=0)
