"""What the door refuses, and why."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.contract.environments.profiles import PATH
from seatrial.contract.releases.components import Model
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import Denied, Invalid, NotFound, SeatrialError, Unauthenticated


class FlagCallerUnknown(Unauthenticated):
    """{given} may evaluate flags here."""

    code = "flag_caller_unknown"
    cause = "This server takes calls with one of its tokens alone; the token is missing or another."
    remedy = "Send `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`."


class FlagUnknown(NotFound):
    """There is no flag {key!r} in {path!r}{hint}."""

    code = "flag_unknown"
    cause = "The key is mistyped, or the flag was removed."
    remedy = "Look up the keys under `flags` in the file."


class ContextUnreadable(Invalid):
    """The context is refused: {reason}."""

    code = "context_unreadable"
    cause = "A context is a JSON object of attributes; `--user` sets its `targetingKey`."
    remedy = """Write it in single quotes: `--context '{"plan": "pro"}'`."""


class SampleRefused(Invalid):
    """Line {line} of the sample is refused: {reason}."""

    code = "flag_sample_refused"
    cause = "A sample is one context, a JSON object, on each line."
    remedy = "Correct the line, or leave `--sample` out and ask made-up users."


class TokenFileRefused(Invalid):
    """The token file {path!r} is refused: {reason}."""

    code = "token_file_refused"
    cause = "It holds one token a line, in printable ASCII; lines that begin with # are notes."
    remedy = "Put a long random text there, such as that of `openssl rand -hex 32`."


class GenerationNeeded(Invalid):
    """The flag {key!r} splits users, and nothing says which generation of `fractional` counts."""

    code = "fractional_generation_needed"
    cause = "Two generations hash other bytes; taking the wrong one moves nearly every user."
    remedy = "Add `--fractional v2` (flagd's Go and JavaScript engines) or `--fractional v3`."


class ContextInvalid(Invalid):
    """The request is not for evaluation: {reason}."""

    code = "ofrep_context_invalid"
    cause = 'OFREP sends an object, `{"context": {"targetingKey": "user-1", …}}`.'
    remedy = "Send an object, and in it `context`: an object, null, or nothing at all."


class CellTokenMissing(Unauthenticated):
    """This cell answers callers with a token alone, and none was sent."""

    code = "cell_token_missing"
    cause = "Every endpoint but health and metrics asks who is calling."
    remedy = (
        "Send `Authorization: Bearer sea_…`; an administrator makes one with `POST /v1/tokens`."
    )


class CellTokenUnknown(Unauthenticated):
    """This token is not known here, or was revoked."""

    code = "cell_token_unknown"
    cause = "It was revoked, its cell was set up anew, or it is a token of another kind."
    remedy = "Ask an administrator of this environment for a new one."


class CellTokenExpired(Unauthenticated):
    """The token {name!r} expired at {expires}."""

    code = "cell_token_expired"
    cause = "It was made with an end."
    remedy = "Ask an administrator of this environment for a new one."


class CellTokenForeign(Denied):
    """A token of environment {given!r} was sent to environment {environment!r}."""

    code = "cell_token_foreign"
    cause = "A token opens the one environment in its name; somebody mixes two of them up."
    remedy = "Find out who sent it: a setting of one environment has strayed into another."
    log_level = SeatrialError.log_level


class CellPermissionMissing(Denied):
    """The token {name!r} lacks the permission {permission!r}."""

    code = "cell_permission_missing"
    cause = "A token may do what it was made for, and nothing else."
    remedy = "Use a token that has the permission, or ask an administrator for one."


class PriorityReserved(Denied):
    """The token {name!r} may not ask for priority {priority}."""

    code = "priority_reserved"
    cause = "What comes before the usual priority, 5, makes others wait; it needs `operate`."
    remedy = "Ask for 5 to 9, or use a token with the permission `operate`."


class TenantForeign(Denied):
    """The token {name!r} may touch the tenant {tenant!r} alone."""

    code = "tenant_foreign"
    cause = "A token that is bound to a tenant sees and makes nothing of another."
    remedy = "Use a token of the other tenant, or one that is bound to none."


class TenantBound(Denied):
    """The token {name!r} is bound to the tenant {tenant!r}, and this serves all tenants."""

    code = "tenant_bound"
    cause = "Secrets and drafts belong to the environment: one tenant would change them for all."
    remedy = "Use a token that is bound to no tenant."


class GrantRefused(Denied):
    """The token {name!r} cannot give away {permission!r}: it does not have it."""

    code = "grant_refused"
    cause = "Whoever could give more than he has could give it to himself."
    remedy = "Ask the holder of a token with that permission."


class CellTokenNotFound(NotFound):
    """There is no token with the id {id!r}."""

    code = "cell_token_not_found"
    cause = "The id is mistyped, or of another environment."
    remedy = "List them with `GET /v1/tokens`."


class OperationRefused(Denied):
    """The environment {environment!r} does not allow {operation!r}."""

    code = "operation_refused"
    cause = "What runs in production changes by promotion and rollback alone."
    remedy = "Do it in staging and promote the result."


class ParameterRefused(Invalid):
    """The parameter {param!r} is refused: {reason}."""

    code = "parameter_refused"
    cause = "It is missing, has a wrong type, or asks for what an agent behind this API cannot do."
    remedy = "Leave it out or correct it; `/v1/agents/NAME/runs` takes whatever the agent takes."


class ResponseUnknown(NotFound):
    """There is no response {response!r} to go on from."""

    code = "previous_response_not_found"
    cause = "The id is mistyped, of another agent or caller, or was asked for with `store: false`."
    remedy = "Begin without `previous_response_id`, or name a session in `conversation`."


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A token of this cell, without its text.

    Attributes:
        id: by which it is revoked.
        name: for people and the log.
        tenant: the only one whose runs it may touch; empty for all.
        permissions: what it may do.
        created: when.
        expires: from when on it is refused; None for never.
        revoked: when it was; None while it is not.
    """

    id: str
    name: str
    tenant: str
    permissions: frozenset[CellPermission]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None


class Operation(enum.StrEnum):
    """What changes something in a cell. Each endpoint that is no mere look names its own."""

    RUN = "runs.start"
    CANCEL = "runs.cancel"
    REDRIVE = "runs.redrive"
    OUTCOME = "runs.outcome"
    FEEDBACK = "runs.feedback"
    EVENT = "runs.event"
    RESUME = "runs.resume"
    ABANDON = "runs.abandon"
    RESTART = "runs.restart"
    REPLAY = "runs.replay"
    SHADOW = "runs.shadow"
    APPROVE = "reviews.approve"
    REJECT = "reviews.reject"
    HAPPENED = "reviews.happened"
    NOT_HAPPENED = "reviews.not_happened"
    GRANT = "tokens.make"
    REVOKE = "tokens.revoke"
    VAULT_SET = "secrets.set"
    VAULT_REMOVE = "secrets.remove"
    DRAFT_SET = "drafts.set"
    DRAFT_REMOVE = "drafts.remove"
    LOCAL_RUN = "runs.local"
    FIXTURE_MAKE = "fixtures.make"
    REHEARSE = "runs.rehearse"


ALLOWED_IN_PRODUCTION: Final = frozenset(
    {
        Operation.RUN,
        Operation.CANCEL,
        Operation.REDRIVE,
        Operation.OUTCOME,
        Operation.FEEDBACK,
        Operation.EVENT,
        Operation.RESUME,
        Operation.ABANDON,
        Operation.RESTART,
        Operation.REPLAY,
        Operation.SHADOW,
        Operation.APPROVE,
        Operation.REJECT,
        Operation.HAPPENED,
        Operation.NOT_HAPPENED,
        Operation.GRANT,
        Operation.REVOKE,
        Operation.VAULT_SET,
        Operation.VAULT_REMOVE,
        Operation.FIXTURE_MAKE,
    }
)
"""The closed list: none of these changes what runs."""

_BEFORE_PRODUCTION: Final = frozenset(PATH[:-1])


def operation_allowed(environment: str, operation: Operation) -> bool:
    """Whether an environment allows an operation; one that is not known counts as production."""
    return environment in _BEFORE_PRODUCTION or operation in ALLOWED_IN_PRODUCTION


def refuse_forbidden(environment: str, operation: Operation) -> None:
    """Raise `OperationRefused` for what the environment does not allow."""
    if not operation_allowed(environment, operation):
        raise OperationRefused(environment=environment, operation=str(operation))


def refuse_bound(caller: Caller) -> None:
    """Raise `TenantBound` for who is bound to a tenant: what follows is of all tenants."""
    if caller.tenant:
        raise TenantBound(name=caller.name, tenant=caller.tenant)


class SlotTokenMissing(Unauthenticated):
    """The inner door answers agents with the token of their slot, and none was sent."""

    code = "slot_token_missing"
    cause = "An agent's own key or base URL replaced the one in its environment."
    remedy = "Let the client read its key from the environment, as it does by itself."


class SlotTokenUnknown(Unauthenticated):
    """This token is of no living slot."""

    code = "slot_token_unknown"
    cause = "The process that held it has ended, or the local run is over or was left."
    remedy = "Nothing, if the process is ending; else start the run again."


class PromptUnknown(NotFound):
    """The agent {agent!r} has no prompt {name!r} in this run."""

    code = "prompt_unknown"
    cause = "The name is mistyped, or the prompt was added after this release was deployed."
    remedy = "Look at `seatrial releases show`; put the prompt into `prompts/` and deploy."


class DraftUnknown(NotFound):
    """The agent {agent!r} has no draft of the prompt {name!r}."""

    code = "draft_unknown"
    cause = "It was never saved here, or was removed."
    remedy = "List them with `GET /v1/agents/{slug}/drafts/prompts`."


class DraftRefused(Invalid):
    """The draft is refused: {reason}."""

    code = "draft_refused"
    cause = "A draft has to fit where a prompt of a release would."
    remedy = "Mend what is named."


class LocalRunUnknown(NotFound):
    """There is no local run {run!r} of yours under way."""

    code = "local_run_unknown"
    cause = "It has ended, gave no sign of life for too long, or is of another caller."
    remedy = "Run `seatrial test` again."


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A prompt that is tried before it is part of a release.

    Attributes:
        agent: whose.
        name: of the prompt.
        text: of the prompt.
        author: the id of the token that saved it.
        changed: when.
    """

    agent: str
    name: str
    text: str
    author: str
    changed: datetime


@dataclass(frozen=True, kw_only=True)
class LocalSlot:
    """The slot of a run whose code runs on its author's machine.

    Attributes:
        run: its run.
        attempt: of the run.
        agent: the agent's slug.
        release: that it stands closest to; None where the agent was never deployed here.
        prompts: texts that go before those of drafts and release, by name.
        models: pins that hold instead of the release's; None where those hold.
        owner: the id of the token that started it.
        expires: from when on it is left, unless there is a sign of life before.
    """

    run: str
    attempt: int
    agent: str
    release: Digest | None
    prompts: Mapping[str, str]
    models: Mapping[str, Model] | None
    owner: str
    expires: datetime
