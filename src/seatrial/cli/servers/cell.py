"""What a command asks of a cell, by name. Every path of its API that commands use stands here."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.servers.peer import Answer, Headers, Peer, segment
from seatrial.kit.http.events import Event

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell's front door."""

    peer: Peer

    async def start(self, agent: str, body: Row, headers: Headers = ()) -> Answer:
        """Start a run, and wait for its end where the body says so."""
        return await self.peer.post(f"/v1/agents/{segment(agent)}/runs", body, headers=headers)

    def streamed(self, agent: str, body: Row, headers: Headers = ()) -> AsyncIterator[Event]:
        """Start a run and follow its events."""
        path = f"/v1/agents/{segment(agent)}/runs"
        return self.peer.events(path, method="POST", body=body, headers=headers)

    def followed(self, run: str, after: str = "") -> AsyncIterator[Event]:
        """The events of a run, from the one after `after`."""
        headers = (("last-event-id", after),) if after else ()
        return self.peer.events(f"/v1/runs/{segment(run)}/events", headers=headers)

    async def runs(self, **query: str | int | None) -> Row:
        """A page of runs, with `next`."""
        return self._object((await self.peer.get("/v1/runs", **query)).value)

    async def run(self, run: str) -> Row:
        """One run."""
        return self._object((await self.peer.get(f"/v1/runs/{segment(run)}")).value)

    async def receipt(self, run: str) -> Row:
        """The full record of one run."""
        return self._object((await self.peer.get(f"/v1/runs/{segment(run)}/receipt")).value)

    async def decisions(self, run: str) -> list[Row]:
        """What became of each call that arrived, and why."""
        path = f"/v1/runs/{segment(run)}/decisions"
        found = self._object((await self.peer.get(path)).value).get("decisions")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    async def actions(self, run: str) -> list[Row]:
        """The actions of a run with their arguments and results."""
        path = f"/v1/runs/{segment(run)}/actions"
        found = self._object((await self.peer.get(path)).value).get("actions")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    async def fixture(self, run: str, expect: Sequence[str]) -> Row:
        """A run as a masked, verified fixture."""
        path = f"/v1/runs/{segment(run)}/fixture"
        return self._object((await self.peer.post(path, {"expect": list(expect)})).value)

    async def proposed(self, **query: str | int | None) -> Row:
        """A page of runs that should become fixtures, with `next`."""
        return self._object((await self.peer.get("/v1/fixtures/proposed", **query)).value)

    async def fixtures(self) -> Row:
        """The fixtures that runs of this cell were given, and that it still has."""
        return self._object((await self.peer.get("/v1/fixtures")).value)

    async def act(self, run: str, verb: str, body: Row | None = None) -> Row:
        """Do what `verb` says, such as `cancel` or `replay`."""
        answer = await self.peer.post(f"/v1/runs/{segment(run)}/{verb}", body or {})
        return answer.value if isinstance(answer.value, dict) else {}

    async def event(self, run: str, name: str, value: object) -> Row:
        """Tell a run of an outside event; the run as it is then."""
        path = f"/v1/runs/{segment(run)}/events/{segment(name)}"
        return self._object((await self.peer.post(path, {} if value is None else value)).value)

    async def reviews(self, **query: str | int | None) -> Row:
        """What people are asked of runs that wait."""
        return self._object((await self.peer.get("/v1/reviews", **query)).value)

    async def answer(self, run: str, seq: int, verb: str, body: Row) -> Row:
        """`approve`, `reject`, `happened` or `not-happened`; the run as it is then."""
        path = f"/v1/reviews/{segment(run)}/{seq}/{verb}"
        return self._object((await self.peer.post(path, body)).value)

    async def sessions(self, **query: str | int | None) -> Row:
        """A page of sessions."""
        return self._object((await self.peer.get("/v1/sessions", **query)).value)

    async def session(self, session: str, agent: str | None) -> Row:
        """One session with its runs."""
        path = f"/v1/sessions/{segment(session)}"
        return self._object((await self.peer.get(path, agent=agent)).value)

    async def status(self) -> Row:
        """What runs there."""
        return self._object((await self.peer.get("/v1/status")).value)

    def logs(self, **query: str | int | None) -> AsyncIterator[object]:
        """Log lines, each a JSON value."""
        return self.peer.records("/v1/logs", query)

    async def put_secret(self, name: str, value: str) -> None:
        """Lay a secret into the vault."""
        await self.peer.call("PUT", f"/v1/secrets/{segment(name)}", body={"value": value})

    async def secrets(self) -> Any:  # noqa: ANN401 - any JSON value
        """The names of the secrets in the vault."""
        return (await self.peer.get("/v1/secrets")).value

    async def remove_secret(self, name: str) -> None:
        """Take a secret out of the vault."""
        await self.peer.call("DELETE", f"/v1/secrets/{segment(name)}")

    async def local_run(self, agent: str, body: Row) -> Row:
        """A run whose code is here, and the token with which it may use the cell."""
        answer = await self.peer.post(f"/v1/agents/{segment(agent)}/local-runs", body)
        return self._object(answer.value)

    async def beat_local_run(self, agent: str, run: str) -> None:
        """A sign of life of a local run."""
        path = f"/v1/agents/{segment(agent)}/local-runs/{segment(run)}/heartbeat"
        await self.peer.post(path)

    async def end_local_run(self, agent: str, run: str, body: Row) -> Row:
        """What became of a local run."""
        path = f"/v1/agents/{segment(agent)}/local-runs/{segment(run)}/end"
        return self._object((await self.peer.post(path, body)).value)

    def _object(self, value: object) -> Row:
        if not isinstance(value, dict):
            raise AnswerUnexpected(peer=self.peer.name, reason="it is no JSON object")
        return value
