"""Short requests to control's API: what is said with a signature, and what needs none."""

from typing import Annotated

from pydantic import Field

from seatrial.contract.documents import Document, Slug, Text
from seatrial.contract.evidence.statements import Generation
from seatrial.contract.switch.desired import Envelope


class Said(Document):
    """A cell's report or facts, signed.

    Attributes:
        envelope: of a `CellReport` or of `RunFacts`.
    """

    envelope: Envelope


class RollbackRequest(Document):
    """Back to an earlier generation's releases, on the caller's permission alone.

    Attributes:
        to: whose releases come back; None for the last one with others.
        reason: for the log.
        exclude: required cells to go without, by name.
    """

    to: Generation | None = None
    reason: Text = ""
    exclude: tuple[Slug, ...] = ()


class ExcludeRequest(Document):
    """A cell is left out of a generation under way."""

    cell: Slug
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]
