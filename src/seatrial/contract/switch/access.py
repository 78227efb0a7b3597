"""The access file: where a person's servers are, and with what they let him in. Mode 0600."""

from typing import Annotated

from pydantic import Field

from seatrial.contract.documents import Document, Slug
from seatrial.contract.switch.api import Url


class Reach(Document):
    """One server and the token that it takes.

    Attributes:
        url: its origin, without a path.
        token: sent as `Authorization: Bearer`; a secret.
    """

    url: Url
    token: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=500, repr=False)]


class Signer(Document):
    """Who signs, and where the key lies; the key itself is never in this file.

    Attributes:
        name: as the keyring has it.
        key_file: an Ed25519 key in PEM; a relative path starts at the access file's folder.
    """

    name: Annotated[str, Field(min_length=1, max_length=120)]
    key_file: Annotated[str, Field(min_length=1, max_length=4_096)]


class Access(Document):
    """All that a command needs to reach a system.

    Attributes:
        control: the deciding half.
        environments: the cell of each environment by the environment's name.
        person: who signs; None where commands only read.
    """

    control: Reach
    environments: dict[Slug, Reach] = Field(default_factory=dict)
    person: Signer | None = None
