"""A run that waits for a time or for something outside."""

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.keys import Call, Dialect
from seatrial.cell.journal.domain.rows import Kind, Row
from seatrial.cell.journal.service.books import Books
from seatrial.cell.llms.domain import CallWithoutRun
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import WaitMalformed
from seatrial.cell.tools.domain.refusals import WaitNeedsHost
from seatrial.cell.tools.domain.values import EVENT, Rehearsed, Told
from seatrial.cell.tools.service.actions import LOCAL
from seatrial.cell.tools.service.asking import STAND_IN, Errand, waited
from seatrial.cell.tools.service.by_fixture import no_recording
from seatrial.cell.tools.service.ports import Recording
from seatrial.kit.clock import Clock

if TYPE_CHECKING:
    import asyncio

_TIMER: Final = "timer"
_EVENT: Final = "event"


class Waits:
    """The waits of whatever runs in a slot.

    Args:
        books: where each is recorded.
        clock: for times.
        recording: what answers the waits of a run on a fixture.
    """

    def __init__(self, books: Books, clock: Clock, recording: Recording = no_recording) -> None:
        self._books = books
        self._clock = clock
        self._recording = recording
        self._under_way: set[asyncio.Task[Any]] = set()

    async def wait(self, caller: SlotIdentity, asked: dict[str, Any]) -> Any:  # noqa: ANN401
        """Wait, without a process where that takes longer than a moment.

        A caller who is cancelled cuts nothing off: a question that was put ends the segment.

        Args:
            caller: who waits.
            asked: one of `seconds`, `until` (ISO 8601 with an offset) and `event`, a name.

        Returns:
            What the event brought; of a timer, when it went off.

        Raises:
            WaitMalformed: it is asked for nothing that can be waited for.
            WaitNeedsHost: the run is on its author's machine.
            WaitUnanswered: the run's fixture has no answer.
            AttemptStale: the segment has ended; nobody is there to be told.
        """
        if caller.run is None or caller.attempt is None:
            raise CallWithoutRun
        name = self._named(asked)
        if caller.slot == LOCAL:
            raise WaitNeedsHost(what="a timer" if name == _TIMER else f"the {name}")
        attempt = await self._books.of(caller.run, caller.attempt)
        call = Call(
            kind=Kind.WAIT,
            dialect=Dialect.ACTION,
            route="wait",
            name=name,
            body=orjson.dumps(asked, option=orjson.OPT_SORT_KEYS),
        )
        errand = Errand()
        doing = waited(errand, attempt, call, STAND_IN, partial(self._rehearsed, caller.run, asked))
        passage, said = await errand.run(doing, self._under_way)
        passage.delivered()
        return orjson.loads(said.content)

    async def _rehearsed(self, run: str, asked: dict[str, Any], row: Row) -> Told:
        """What a fixture holds of an event; a timer has gone off, for it brings nothing but time.

        That is not recorded: a release that waits longer or oftener is no other release.
        """
        if _EVENT not in asked:
            return Told(ok=True, value={"at": rules.rings(asked, self._clock.now()).isoformat()})
        return await self._recording(
            Rehearsed(
                run=run,
                name=self._named(asked),
                arguments={},
                key=row.key,
                occurrence=row.occurrence,
            )
        )

    def _named(self, asked: dict[str, Any]) -> str:
        if len(asked) != 1:
            raise WaitMalformed(reason="it has one of `seconds`, `until` and `event`")
        if _EVENT in asked:
            event = asked[_EVENT]
            if not isinstance(event, str):
                raise WaitMalformed(reason="`event` is no name")
            rules.refuse_event_name(event)
            return f"{EVENT}{event}"
        rules.rings(asked, self._clock.now())
        return _TIMER
