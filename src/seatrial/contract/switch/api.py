"""The words of control's API: one document for each body, the same for server, cell and command."""

import enum
from typing import Annotated

from pydantic import AwareDatetime, Field

from seatrial.contract.documents import DigestField, Document, JsonObject, KeyName, Slug, Text
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Generation, Verb
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.desired import Envelope

Url = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9._:\[\]-]+$", max_length=300)]


class EnrolRequest(Document):
    """A cell's process asks to be known.

    Attributes:
        token: one-use, of kind `enrol`.
        signing: its Ed25519 key.
        sealing: its X25519 key.
        url: where callers find the cell.
        profile: of the rules that it starts with.
        proof: envelope of a `Possession` of the token, signed by `signing`. With it a process
            whose answer was lost may ask again: nobody else could.
    """

    token: Annotated[str, Field(max_length=200)]
    signing: KeyName
    sealing: KeyName
    url: Url
    profile: Profile
    proof: Envelope | None = None


class EnrolAnswer(Document):
    """What the cell is told: a token for control's API, and who it is.

    Attributes:
        token: of kind `cell`; shown once.
        cell: its name.
        environment: its environment.
        region: its region.
    """

    token: str
    cell: Slug
    environment: Slug
    region: Slug


class EnrolmentTokenRequest(Document):
    """Somebody makes room for a cell."""

    cell: Slug
    environment: Slug
    region: Slug = "local"


class Enrolment(Document):
    """A process that asked to be known; it counts once a keyring names its keys.

    Attributes:
        listed: the keyring in force names its keys.
    """

    cell: Slug
    environment: Slug
    region: Slug
    signing: KeyName
    sealing: KeyName
    url: Url
    profile: Profile
    at: AwareDatetime
    listed: bool


class Missing(Document):
    """Blobs by digest: those asked for, or those that are not there."""

    digests: Annotated[tuple[DigestField, ...], Field(max_length=2_000)]


class DeployRequest(Document):
    """A release is handed in.

    Attributes:
        release: a `Release` document.
        provenance: envelope of its `Provenance`.
        owner: of the agent.
        description: of the agent.
    """

    release: JsonObject
    provenance: Envelope
    owner: Text = ""
    description: Text = ""


class ReleaseRow(Document):
    """A release in a list.

    Attributes:
        name: `agent@number`.
        digest: its digest.
        author: who deployed it.
        commit: of the source.
        at: when it was first deployed.
        active: environments where it is active now.
    """

    name: str
    agent: Slug
    number: int
    release: DigestField
    author: str
    commit: str = ""
    dirty: bool = False
    at: AwareDatetime
    active: tuple[Slug, ...] = ()


class PlanRequest(Document):
    """What somebody has in mind for an environment.

    Attributes:
        verb: what for.
        agents: release of each agent to change, as `agent@number` or a digest. For `promote`,
            None takes every agent whose release in the source environment differs; an empty
            value takes what is active in the source.
        remove: agents to take away.
        to: for `rollback`: the generation whose releases come back; None for the one before.
        profile: for `configure`: the profile whose rules shall hold.
    """

    verb: Verb
    agents: dict[Slug, str] | None = None
    remove: tuple[Slug, ...] = ()
    to: Generation | None = None
    profile: Profile | None = None


class GateRow(Document):
    """One gate's answer; see `contract.gates`."""

    gate: str
    standing: str
    reason: str
    agent: str = ""
    remedy: str = ""


class ChangeRow(Document):
    """What a plan does to one agent.

    Attributes:
        agent: which.
        before: name of its release now; empty for none.
        after: name of its release then; empty for none.
        components: addresses that change, each with `added`, `changed` or `removed`.
    """

    agent: Slug
    before: str = ""
    after: str = ""
    components: dict[str, str] = Field(default_factory=dict)


class Plan(Document):
    """What would happen, ready to be signed.

    Attributes:
        environment: where.
        verb: what for.
        closure: what would be active.
        previous: the generation in force; 0 for none.
        base: its closure.
        rules: digest of the rules in force.
        changes: by agent.
        gates: as they stand without the signature that is still to come.
        met: all gates are met.
        cells: cells that must prepare it.
    """

    environment: Slug
    verb: Verb
    closure: Closure
    previous: Generation
    base: DigestField
    rules: DigestField
    changes: tuple[ChangeRow, ...]
    gates: tuple[GateRow, ...]
    met: bool
    cells: tuple[Slug, ...]


class OrderRequest(Document):
    """A signed plan, to be carried out.

    Attributes:
        order: envelope of an `Order`.
        closure: its subject.
        exclude: required cells to go without, by name.
    """

    order: Envelope
    closure: Closure
    exclude: tuple[Slug, ...] = ()


class GenerationState(enum.StrEnum):
    """Where a generation stands."""

    PROPOSED = "proposed"
    COMMITTED = "committed"
    ABANDONED = "abandoned"


class CellRow(Document):
    """A cell as control has heard of it.

    Attributes:
        current: the generation that it runs.
        prepared: the generation that it has prepared beyond that.
        refused: the generation that it refused, with `reason`.
        behind: generations that it lags.
        lag_seconds: since the commit that it has not carried out; 0 where it is level.
        seen_seconds: since it was last heard of; None for never.
    """

    cell: Slug
    environment: Slug
    region: Slug
    url: str
    current: Generation = 0
    prepared: Generation | None = None
    refused: Generation | None = None
    reason: str = ""
    behind: int = 0
    lag_seconds: float = 0.0
    seen_seconds: float | None = None
    connected: bool = False


class GenerationRow(Document):
    """One generation.

    Attributes:
        reason: of the order, or why it was abandoned.
        by: who ordered it.
    """

    environment: Slug
    generation: Generation
    verb: Verb
    state: GenerationState
    closure: DigestField
    agents: dict[Slug, str]
    by: str = ""
    reason: str = ""
    ordered: AwareDatetime
    committed: AwareDatetime | None = None
    required: tuple[Slug, ...] = ()
    excluded: tuple[Slug, ...] = ()
    cells: tuple[CellRow, ...] = ()


class OrderAnswer(Document):
    """What became of an order: carried out as a generation, or kept until the gates are met.

    Attributes:
        generation: what it started; None while gates are unmet.
        gates: with the signature counted.
        met: all gates are met.
    """

    generation: GenerationRow | None = None
    gates: tuple[GateRow, ...]
    met: bool


class EnvironmentRow(Document):
    """An environment as it stands."""

    environment: Slug
    profile: Profile
    current: GenerationRow | None = None
    proposed: GenerationRow | None = None
    cells: tuple[CellRow, ...] = ()


class Status(Document):
    """Everything on one page.

    Attributes:
        embedded: all runs on this machine, under this machine's owner.
        keyring: version in force; 0 while there is none.
    """

    version: str
    embedded: bool
    keyring: int
    environments: tuple[EnvironmentRow, ...]


class Permission(enum.StrEnum):
    """What a token of control may do."""

    READ = "read"
    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ADMIN = "admin"


class TokenRequest(Document):
    """A token is asked for."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]
    days: Annotated[int | None, Field(ge=1, le=3_650)] = None


class TokenRow(Document):
    """A token in a list; `token` is there once, when it is made."""

    id: str
    name: str
    permissions: tuple[Permission, ...]
    made: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: bool = False
    token: str | None = None
