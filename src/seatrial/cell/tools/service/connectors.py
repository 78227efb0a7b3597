"""The connectors of one environment: opened when they are first needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seatrial.cell.tools.domain.refusals import (
    ActionUnperformed,
    ConnectorUnbound,
    ConnectorUnfit,
)
from seatrial.cell.tools.service.by_function import FunctionConnector
from seatrial.cell.tools.service.ports import Connector, Functions
from seatrial.contract.releases.actions import FunctionCall, HttpCall, InProcess, SqlCall, Tool


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One connector as the settings bind it.

    Attributes:
        kind: `sql` or `http`.
        open: makes it; what it stands on is reached when it is first used.
    """

    kind: str
    open: Callable[[], Connector]


class Connectors:
    """What an environment binds to the names that releases use.

    Args:
        environment: for errors.
        bound: by name.
        functions: where functions of releases run.
    """

    def __init__(self, environment: str, bound: Mapping[str, Bound], functions: Functions) -> None:
        self._environment = environment
        self._bound = bound
        self._functions = FunctionConnector(functions)
        self._open: dict[str, Connector] = {}

    def refuse_unfit(self, action: str, tool: Tool, *, recorded: bool = False) -> None:
        """Refuse an action that nothing performs here, before anything is done for it.

        Args:
            action: its name.
            tool: its declaration.
            recorded: a recording answers it, so that nothing need be bound.

        Raises:
            ActionUnperformed, ConnectorUnbound, ConnectorUnfit: it is not performed here.
        """
        how = tool.perform
        if how is None or isinstance(how, InProcess):
            raise ActionUnperformed(action=action)
        if tool.connector is None or recorded:
            return
        bound = self._bound.get(tool.connector)
        if bound is None:
            raise ConnectorUnbound(
                action=action, connector=tool.connector, environment=self._environment
            )
        fits = {"sql": SqlCall | FunctionCall, "http": HttpCall}[bound.kind]
        if not isinstance(how, fits):
            raise ConnectorUnfit(connector=tool.connector, kind=bound.kind, action=action)

    def of(self, tool: Tool) -> Connector:
        """The connector of an action that `refuse_unfit` has let pass."""
        name = tool.connector
        if name is None:
            return self._functions
        if name not in self._open:
            self._open[name] = self._bound[name].open()
        return self._open[name]

    async def close(self) -> None:
        """Let all go."""
        for connector in self._open.values():
            await connector.close()
        self._open.clear()
