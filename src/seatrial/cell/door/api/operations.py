"""What stands before each endpoint that changes something: does this environment allow it?"""

from seatrial.cell.door.domain import Operation, refuse_forbidden
from seatrial.kit.http.asgi import App, Receive, Scope, Send


class Operating:
    """An endpoint that performs one operation; refused where the environment does not allow it.

    Every route whose method is not GET is wrapped in one, so that a list of the routes is a list
    of what can be done, and a test can hold it against the closed list.
    """

    def __init__(self, environment: str, operation: Operation, app: App) -> None:
        self.operation = operation
        self._environment = environment
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises `OperationRefused`."""
        refuse_forbidden(self._environment, self.operation)
        await self._app(scope, receive, send)
