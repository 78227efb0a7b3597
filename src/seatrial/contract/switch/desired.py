"""What control wants of one cell: a level, not an event. Whatever message is lost, the next tells.

Every part that matters is an envelope or is named by a digest inside one, so the document itself
carries no authority: a cell verifies each part under the keyring and its own rules.
"""

from typing import Annotated

from pydantic import Field

from seatrial.contract.documents import Document, Slug
from seatrial.contract.evidence.statements import Generation
from seatrial.contract.releases.closure import Closure

Envelope = Annotated[str, Field(max_length=4 << 20)]
"""A DSSE envelope as JSON text."""


class Ordered(Document):
    """One generation as it is ordered.

    Attributes:
        proposal: envelope of a `Proposal`, signed by control.
        commit: envelope of a `Commit`, once it is committed.
        closure: what shall be active; its digest is the subject of both.
        evidence: envelopes that the gates read.
    """

    proposal: Envelope
    commit: Envelope | None = None
    closure: Closure
    evidence: Annotated[tuple[Envelope, ...], Field(max_length=2_000)] = ()


class Heard(Document):
    """What control has heard of the cell; the cell says again what is missing here.

    Attributes:
        current: generation that it said to have committed.
        prepared: generation that it said to have prepared; None for none.
        refused: generation that it said to have refused; None for none.
    """

    current: Generation = 0
    prepared: Generation | None = None
    refused: Generation | None = None


class Desired(Document):
    """All that one cell is to know.

    Attributes:
        cell: for whom.
        environment: its environment.
        keyring: envelope of the keyring in force.
        committed: the generation to reach next; None while there is none. A cell that is behind
            is led through each change of rules, then to the newest.
        proposed: the generation to prepare; None while there is none.
        heard: see there.
    """

    cell: Slug
    environment: Slug
    keyring: Envelope
    committed: Ordered | None = None
    proposed: Ordered | None = None
    heard: Heard = Heard()
