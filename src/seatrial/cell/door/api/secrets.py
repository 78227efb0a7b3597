"""`/v1/secrets`: names are listed, values are set, and no value ever comes out."""

from typing import Any, Final

from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.domain import Operation, refuse_bound
from seatrial.cell.door.service.access import Admit
from seatrial.cell.vault.domain import SecretVersion
from seatrial.cell.vault.service import Vault
from seatrial.contract.documents import Document
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.http.answers import answer_empty, answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import read_json
from seatrial.kit.http.routes import path_values

_LARGEST: Final = 262_144  # bytes of a request


class SecretOrder(Document):
    """A value to set."""

    value: str


def secret_routes(vault: Vault, admit: Admit, environment: str) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def administrator(scope: Scope) -> Caller:
        caller = await admit(scope, CellPermission.ADMIN)
        refuse_bound(caller)
        return caller

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """List names and versions; no value is ever told."""
        await administrator(scope)
        await answer_json(send, {"secrets": [_told(each) for each in await vault.listed()]})

    async def put(scope: Scope, receive: Receive, send: Send) -> None:
        """Set a secret, or rotate it."""
        caller = await administrator(scope)
        order = SecretOrder.read(await read_json(scope, receive, limit=_LARGEST))
        name = path_values(scope)["name"]
        version = await vault.put(name, order.value, author=caller.id)
        await answer_json(send, {"name": name, "version": version})

    async def remove(scope: Scope, _receive: Receive, send: Send) -> None:
        """Remove a secret with all its versions."""
        caller = await administrator(scope)
        await vault.remove(path_values(scope)["name"], author=caller.id)
        await answer_empty(send)

    return [
        ("GET", "/v1/secrets", listed),
        ("PUT", "/v1/secrets/{name}", Operating(environment, Operation.VAULT_SET, put)),
        ("DELETE", "/v1/secrets/{name}", Operating(environment, Operation.VAULT_REMOVE, remove)),
    ]


def _told(secret: SecretVersion) -> dict[str, Any]:
    return {
        "name": secret.name,
        "version": secret.version,
        "set": secret.set,
        "set_by": secret.author,
    }
