"""What the use cases of promotions stand on: a key, and what neighbouring rooms know."""

from dataclasses import dataclass

from seatrial.contract.evidence.keyring import Keyring
from seatrial.control.catalog.service import Catalog
from seatrial.control.environments.domain import KeyringMissing
from seatrial.control.environments.service import Environments
from seatrial.control.promotions.domain.refusals import ControlNotListed
from seatrial.control.promotions.domain.switching import PREPARE_SECONDS
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection


@dataclass(frozen=True, kw_only=True)
class Means:
    """See the module.

    Attributes:
        key: control's; signs proposals and commits.
        environments: cells, keyring, first rules.
        catalog: releases.
        patience: seconds that cells may take to prepare.
        version: of this program.
        embedded: everything runs on this machine, under its owner.
    """

    key: SigningKey
    environments: Environments
    catalog: Catalog
    patience: float = PREPARE_SECONDS
    version: str
    embedded: bool

    def keyring(self, connection: Connection) -> tuple[Keyring, str]:
        """The keyring in force and its envelope; raises `KeyringMissing`."""
        known = self.environments.keyring(connection)
        if known is None:
            raise KeyringMissing
        return known

    def signing(self, connection: Connection) -> Keyring:
        """The keyring in force, if what this process signs counts under it.

        Raises:
            KeyringMissing, ControlNotListed: nothing that it ordered would be carried out.
        """
        keyring, _ = self.keyring(connection)
        if self.key.id not in keyring.control:
            raise ControlNotListed(key=self.key.verify_key.short)
        return keyring

    def cells(self, connection: Connection, environment: str) -> frozenset[str]:
        """Names of the cells of `environment` that can take part in a switch."""
        return frozenset(cell.name for cell in self.environments.cells(connection, environment))
