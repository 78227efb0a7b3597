"""Drafts of prompts, and runs of local code: before production alone."""

from typing import Annotated, Any, Final

from pydantic import Field, JsonValue

from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.domain import Draft, Operation, refuse_bound
from seatrial.cell.door.service.access import Admit
from seatrial.cell.door.service.local_runs import LocalOrder, LocalRuns
from seatrial.cell.door.service.prompts import Prompts
from seatrial.cell.runs.domain.values import Failure
from seatrial.contract.documents import ComponentName, Document
from seatrial.contract.releases.components import LARGEST_PROMPT, Model
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.answers import answer_empty, answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import read_json
from seatrial.kit.http.routes import path_values

_LARGEST: Final = 4 << 20  # bytes of a request
_NO_STORE: Final = [(b"cache-control", b"no-store")]
_AGENT: Final = "/v1/agents/{slug}"
_PromptText = Annotated[str, Field(max_length=LARGEST_PROMPT)]


class DraftOrder(Document):
    """A text to save."""

    text: _PromptText


class LocalRunOrder(Document):
    """See `LocalOrder`."""

    input: JsonValue
    session: Annotated[str, Field(max_length=200)] | None = None
    prompts: Annotated[dict[ComponentName, _PromptText], Field(max_length=200)] = Field(
        default_factory=dict
    )
    models: Annotated[dict[ComponentName, Model], Field(max_length=200)] | None = None
    tags: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)


class LocalFailure(Document):
    """Why a local run failed."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,79}$")]
    message: Annotated[str, Field(max_length=10_000)] = ""


class LocalEnd(Document):
    """How a local run ended: its output, or an error."""

    output: JsonValue = None
    error: LocalFailure | None = None


def draft_routes(prompts: Prompts, admit: Admit, environment: str) -> list[tuple[str, str, App]]:
    """The endpoints of drafts, for `Routes`."""

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """List the drafts of an agent."""
        await admit(scope, CellPermission.DRAFT)
        found = await prompts.listed(path_values(scope)["slug"])
        await answer_json(send, {"drafts": [_told(each) for each in found]})

    async def one(scope: Scope, _receive: Receive, send: Send) -> None:
        """Show a draft."""
        await admit(scope, CellPermission.DRAFT)
        values = path_values(scope)
        await answer_json(send, _told(await prompts.one(values["slug"], values["name"])))

    async def put(scope: Scope, receive: Receive, send: Send) -> None:
        """Save a draft."""
        caller = await admit(scope, CellPermission.DRAFT)
        refuse_bound(caller)
        order = DraftOrder.read(await read_json(scope, receive, limit=_LARGEST))
        agent, name = path_values(scope)["slug"], path_values(scope)["name"]
        digest = await prompts.put(agent, name, order.text, author=caller.id)
        await answer_json(send, {"agent": agent, "name": name, "digest": str(digest)})

    async def remove(scope: Scope, _receive: Receive, send: Send) -> None:
        """Remove a draft."""
        refuse_bound(await admit(scope, CellPermission.DRAFT))
        values = path_values(scope)
        await prompts.remove(values["slug"], values["name"])
        await answer_empty(send)

    drafts = f"{_AGENT}/drafts/prompts"
    return [
        ("GET", drafts, listed),
        ("GET", f"{drafts}/{{name}}", one),
        ("PUT", f"{drafts}/{{name}}", Operating(environment, Operation.DRAFT_SET, put)),
        ("DELETE", f"{drafts}/{{name}}", Operating(environment, Operation.DRAFT_REMOVE, remove)),
    ]


def local_run_routes(
    local: LocalRuns, admit: Admit, environment: str, *, inner_url: str
) -> list[tuple[str, str, App]]:
    """The endpoints of local runs, for `Routes`; `inner_url` is where their code calls models."""

    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        """Open a run whose code runs on the caller's machine; the token is told once."""
        caller = await admit(scope, CellPermission.DRAFT)
        asked = LocalRunOrder.read(await read_json(scope, receive, limit=_LARGEST, strict=False))
        order = LocalOrder(
            agent=path_values(scope)["slug"],
            input=asked.input,
            session=asked.session,
            prompts=asked.prompts,
            models=asked.models,
            tags=asked.tags,
        )
        opened = await local.begin(order, caller)
        told = {
            "run": opened.run.id,
            "token": opened.token.reveal(),
            "url": inner_url,
            "expires": opened.expires,
        }
        await answer_json(send, told, status=201, headers=_NO_STORE)

    async def beat(scope: Scope, _receive: Receive, send: Send) -> None:
        """Keep a local run, which is left when there is no sign of life."""
        caller = await admit(scope, CellPermission.DRAFT)
        run = path_values(scope)["run"]
        await answer_json(send, {"run": run, "expires": await local.beat(run, caller)})

    async def end(scope: Scope, receive: Receive, send: Send) -> None:
        """End a local run with its output or an error."""
        caller = await admit(scope, CellPermission.DRAFT)
        ended = LocalEnd.read(await read_json(scope, receive, limit=16 << 20, strict=False))
        failure = None
        if ended.error is not None:
            failure = Failure(code=ended.error.code, message=ended.error.message)
        run = await local.end(
            path_values(scope)["run"], caller, output=ended.output, failure=failure
        )
        await answer_json(send, {"run": run.id, "state": str(run.state)})

    def operating(app: App) -> App:
        return Operating(environment, Operation.LOCAL_RUN, app)

    return [
        ("POST", f"{_AGENT}/local-runs", operating(begin)),
        *(
            ("POST", f"{above}/local-runs/{{run}}/{verb}", operating(app))
            for above in ("/v1", _AGENT)
            for verb, app in (("heartbeat", beat), ("end", end))
        ),
    ]


def _told(draft: Draft) -> dict[str, Any]:
    return {
        "agent": draft.agent,
        "name": draft.name,
        "text": draft.text,
        "author": draft.author,
        "changed": draft.changed,
    }
