"""`/v1/runs/{id}/receipt`: all that is known of one run; `…/decisions`: why each call went so."""

from seatrial.cell.door.service.access import Admit
from seatrial.cell.telemetry.service.receipts import Receipts
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.routes import path_values


def receipt_routes(receipts: Receipts, admit: Admit) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def one(scope: Scope, _receive: Receive, send: Send) -> None:
        """Everything that is known of a run."""
        caller = await admit(scope, CellPermission.PAYLOAD)
        await answer_json(send, await receipts.of(path_values(scope)["id"], caller))

    async def decisions(scope: Scope, _receive: Receive, send: Send) -> None:
        """What became of each call that arrived, and why."""
        caller = await admit(scope, CellPermission.READ)
        run = path_values(scope)["id"]
        await answer_json(send, {"run": run, "decisions": await receipts.decisions(run, caller)})

    return [
        ("GET", "/v1/runs/{id}/decisions", decisions),
        ("GET", "/v1/runs/{id}/receipt", one),
    ]
