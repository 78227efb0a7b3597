"""Prompts: those of a release, pinned to the run, and drafts where a run asks for them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from seatrial.cell.door.domain import (
    Draft,
    DraftRefused,
    DraftUnknown,
    Operation,
    PromptUnknown,
    operation_allowed,
)
from seatrial.cell.door.service.slots import Insider
from seatrial.cell.door.store import drafts
from seatrial.cell.journal.domain.calls import CallKind, CallState, Intent, Result
from seatrial.cell.journal.service.metering import Journal
from seatrial.cell.llms.domain import CallWithoutRun
from seatrial.contract.releases.components import LARGEST_PROMPT, Prompt, component
from seatrial.contract.releases.release import Release
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database

Releases = Callable[[Digest], Awaitable[Release]]
WantsDrafts = Callable[[str], Awaitable[bool]]
"""Whether the run of this id was started with the tag `drafts`."""

TAG: Final = "drafts"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A prompt as an agent gets it.

    Attributes:
        name: of it.
        text: of it.
        digest: of the component that it is, or would be.
        draft: whether it is none of the release's.
    """

    name: str
    text: str
    digest: Digest
    draft: bool


@dataclass(frozen=True, kw_only=True)
class PromptSources:
    """Where prompts come from.

    Attributes:
        environment: the cell's; where drafts are forbidden, no run gets one, whatever it asks.
        database: of drafts.
        journal: where each fetch is written.
        releases: the release of a digest.
        wants_drafts: see there.
        clock: for times.
    """

    environment: str
    database: Database
    journal: Journal
    releases: Releases
    wants_drafts: WantsDrafts
    clock: Clock


class Prompts:
    """Prompts for agents, and drafts for people."""

    def __init__(self, sources: PromptSources) -> None:
        self._from = sources

    async def fetch(self, caller: Insider, name: str) -> Fetched:
        """The prompt `name` for the run that asks.

        Raises:
            CallWithoutRun: no run is in the slot.
            PromptUnknown: neither a draft that the run may see nor the release has it.
        """
        slot = caller.slot
        if slot.run is None or slot.attempt is None:
            raise CallWithoutRun
        started, before = self._from.clock.now(), self._from.clock.steady()
        found = await self._draft(caller, slot.run, name)
        if found is None:
            found = await self._released(caller, name)
        ledger = await self._from.journal.ledger(slot.run, slot.attempt)
        intent = Intent(
            kind=CallKind.PROMPT,
            name=name,
            provider="draft" if found.draft else "release",
            route=f"/v1/prompts/{name}",
            started=started,
        )
        result = Result(
            state=CallState.DONE,
            ended=self._from.clock.now(),
            latency_ms=(self._from.clock.steady() - before) * 1000,
            status=200,
            answered=str(found.digest),
            response_bytes=len(found.text.encode()),
        )
        await self._from.journal.whole(ledger.next(CallKind.PROMPT), intent, result)
        return found

    async def _released(self, caller: Insider, name: str) -> Fetched:
        release = await self._from.releases(caller.slot.release) if caller.released else None
        prompt = None if release is None else release.prompts.get(name)
        if prompt is None:
            raise PromptUnknown(agent=caller.slot.agent, name=name)
        return _fetched(name, prompt.text, draft=False)

    async def listed(self, agent: str) -> list[Draft]:
        """Every draft of an agent, by name."""
        return await self._from.database.read(lambda connection: drafts.listed(connection, agent))

    async def one(self, agent: str, name: str) -> Draft:
        """One draft; raises `DraftUnknown`."""
        found = await self._from.database.read(
            lambda connection: drafts.one(connection, agent, name)
        )
        if found is None:
            raise DraftUnknown(agent=agent, name=name)
        return found

    async def put(self, agent: str, name: str, text: str, *, author: str) -> Digest:
        """Save a draft; the digest that it would have as a component. Raises `DraftRefused`."""
        digest = refuse_unfit_prompt(name, text)
        await self._from.database.write(
            lambda connection: drafts.put(connection, agent, name, text, author)
        )
        return digest

    async def remove(self, agent: str, name: str) -> None:
        """Remove a draft; raises `DraftUnknown`."""
        if not await self._from.database.write(
            lambda connection: drafts.remove(connection, agent, name)
        ):
            raise DraftUnknown(agent=agent, name=name)

    async def _draft(self, caller: Insider, run: str, name: str) -> Fetched | None:
        if not operation_allowed(self._from.environment, Operation.DRAFT_SET):
            return None
        own = caller.prompts.get(name)
        if own is not None:
            return _fetched(name, own, draft=True)
        if not caller.local and not await self._from.wants_drafts(run):
            return None
        agent = caller.slot.agent
        found = await self._from.database.read(
            lambda connection: drafts.one(connection, agent, name)
        )
        return None if found is None else _fetched(name, found.text, draft=True)


def refuse_unfit_prompt(name: str, text: str) -> Digest:
    """The digest of a prompt as a component; raises `DraftRefused` where it could not be one."""
    if len(text) > LARGEST_PROMPT:
        raise DraftRefused(reason=f"it is longer than {LARGEST_PROMPT} characters")
    if "\0" in text:
        raise DraftRefused(reason="it holds a NUL character")
    try:
        return component(name, Prompt(text=text)).digest
    except ValueError:
        raise DraftRefused(reason=f"{name!r} is no name of a component") from None


def _fetched(name: str, text: str, *, draft: bool) -> Fetched:
    digest = component(name, Prompt(text=text)).digest
    return Fetched(name=name, text=text, digest=digest, draft=draft)
