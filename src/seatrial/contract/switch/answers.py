"""Answers of control's API that hold several of something, or a thing with all that belongs to it.

`after` of a list is what its answer gave as `next`; None says that there is no more.
"""

from typing import Annotated

from pydantic import Field, JsonValue

from seatrial.contract.documents import DigestField, Document, JsonObject, KeyName, Slug, Text
from seatrial.contract.releases.difference import Change
from seatrial.contract.switch.api import Enrolment, GenerationRow, ReleaseRow, TokenRow
from seatrial.contract.switch.desired import Envelope


class Tokens(Document):
    """All tokens of control."""

    tokens: tuple[TokenRow, ...]


class EnrolmentToken(Document):
    """Room for one process of a cell; `token` is shown once."""

    token: str
    cell: Slug
    environment: Slug
    region: Slug


class Enrolments(Document):
    """All processes that asked to be known."""

    enrolments: tuple[Enrolment, ...]


class SignedKeyring(Document):
    """A keyring under the root's signature, as it is handed in and out."""

    envelope: Envelope


class Keys(Document):
    """Whom to trust, for comparing fingerprints; believe what is pinned, not this.

    Attributes:
        control: names of the keys of control's processes.
        roots: names of the root keys that control pins.
    """

    control: tuple[KeyName, ...]
    roots: tuple[KeyName, ...]


class AgentRow(Document):
    """An agent in a list.

    Attributes:
        latest: number of its newest release.
    """

    agent: Slug
    owner: Text = ""
    description: Text = ""
    latest: Annotated[int, Field(ge=0)]


class Agents(Document):
    """All agents by slug."""

    agents: tuple[AgentRow, ...]


class Releases(Document):
    """Releases, the newest first."""

    releases: tuple[ReleaseRow, ...]
    next: str | None = None


class ReleaseAnswer(Document):
    """A release with all that belongs to it.

    Attributes:
        row: as in a list.
        release: the `Release` document; open it with `releases.release.opened`.
        provenance: envelopes of `Provenance`.
    """

    row: ReleaseRow
    release: JsonObject
    provenance: tuple[Envelope, ...]


class FieldDifference(Document):
    """One field that differs; None stands for a field that is not there."""

    path: str
    before: JsonValue = None
    after: JsonValue = None


class ComponentDifference(Document):
    """One component that is not the same in both."""

    address: str
    change: Change
    fields: tuple[FieldDifference, ...]


class Difference(Document):
    """All that differs between two releases.

    Attributes:
        before: None where the comparison is with nothing.
    """

    before: DigestField | None = None
    after: DigestField
    components: tuple[ComponentDifference, ...]


class Generations(Document):
    """Generations of an environment, the newest first, whatever became of them."""

    generations: tuple[GenerationRow, ...]
