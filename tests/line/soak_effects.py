"""kill -9 of everything that carries a run, beside an outside ledger that counts its effects.

A whole system of real processes: cell, agent processes, control, and with PostgreSQL the database.
What the actions act on stands outside: a service and a database that no kill reaches. Its answers
take a moment before and after the deed, so that deaths fall before, between and after.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import text

from dev.soak import Soak
from seatrial.contract.runs.states import ENDED
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.cell.llms.provider import serving
from tests.cell.tools.world import Desk
from tests.line.processes import guests
from tests.line.system import Shape, System, system
from tests.servers import postgres

_AGENT: Final = """
    import json, os, urllib.request
    from concurrent.futures import ThreadPoolExecutor

    def run(input):
        with ThreadPoolExecutor(4) as pool:
            return [list(pool.map(called, step)) for step in input]

    def called(call):
        name, what = call
        asked = urllib.request.Request(
            os.environ["SEATRIAL_URL"] + "/v1/actions/" + name,
            json.dumps({"what": what}).encode(),
            {
                "authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"],
                "content-type": "application/json",
            },
        )
        told = json.loads(urllib.request.urlopen(asked).read())
        return told["value"] if told["ok"] else told["error"]
    """
_ACTIONS: Final = """
[actions.look]
effect = "read"
connector = "desk"
http = { method = "GET", path = "/look/{what}" }
input = "what.json"

[actions.put]
effect = "idempotent"
connector = "desk"
http = { method = "PUT", path = "/put/{what}" }
input = "what.json"

[actions.ticket]
effect = "reconcilable"
connector = "desk"
http = { path = "/ticket/{what}", lookup = { method = "GET", path = "/by-key/{seatrial_key}" } }
input = "what.json"

[actions.mail]
effect = "irreversible"
connector = "desk"
http = { path = "/mail/{what}" }
input = "what.json"

[actions.pay]
effect = "transactional"
connector = "shop"
sql = "INSERT INTO ledger (what) VALUES (:what)"
input = "what.json"
"""
_WHAT: Final = json.dumps(
    {"type": "object", "required": ["what"], "properties": {"what": {"type": "string"}}}
)
_WRITES: Final = ("put", "ticket", "mail", "pay")
_POINTS: Final = ("accept.after", "claim.after", "finish.before", "finish.after", "park.before",
                  "park.after")  # fmt: skip
_AT_ONCE: Final = 20
_MOMENT: Final = 0.01  # seconds before and after a deed
_DEATHS: Final = 0.6  # seconds; runs of a batch take about as long
_MOST_DEATHS: Final = 5
_PATIENCE: Final = 120.0


@dataclass(kw_only=True)
class Effects:
    """A system whose processes die beside runs that have effects."""

    line: System
    desk: Desk
    shop: str
    server: postgres.PostgresServer | None
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    asked: int = 0

    async def batch(self, runs: list[tuple[str, list[list[tuple[str, str]]]]]) -> None:
        """Runs at once, to their ends, while things die."""
        beside = [asyncio.create_task(each) for each in (self._kill(), self._watch())]
        try:
            begun = [await self._insist(partial(self._start, name, steps)) for name, steps in runs]
            for run, (name, steps) in zip(begun, runs, strict=True):
                await self._seen_through(run, name, steps)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await self._all_up()
        await self.line.until_ready(*self.line.processes)

    async def _start(self, name: str, steps: list[list[tuple[str, str]]]) -> str:
        key = (("idempotency-key", name),)
        answer = await self.line.run("staging", data=steps, mode="async", headers=key)
        run: str = answer.value["id"]
        return run

    async def _seen_through(self, run: str, name: str, steps: list[list[tuple[str, str]]]) -> None:
        """To its end, which is that of a run that nobody disturbed."""
        last = time.monotonic() + _PATIENCE
        while True:
            found = await self._insist(partial(self.line.cell("staging").run, run))
            if found["state"] in set(ENDED) or time.monotonic() > last:
                break
            if found["state"] == "waiting":
                await self._insist(partial(self._answer, run))
            await asyncio.sleep(0.05)
        assert found["state"] == "succeeded", (name, found, self._faults())
        made = [len(step) for step in found["output"]]
        assert made == [len(step) for step in steps], (name, found["output"])

    async def _answer(self, run: str) -> None:
        """A person who has looked says what became of what nobody else can tell."""
        cell = self.line.cell("staging")
        for each in (await cell.reviews())["reviews"]:
            if each["run"] != run:
                continue
            done = {*_deeds(self.desk), *(("pay", what) for what in await self._paid())}
            happened = (each["action"], each["arguments"]["what"]) in done
            verb = "happened" if happened else "not-happened"
            await cell.answer(run, each["seq"], verb, {"value": "seen"} if happened else {})
            self.asked += 1

    async def _insist(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer: whatever is asked may be dead just now."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                with contextlib.suppress(SeatrialError):
                    return await ask()
                await asyncio.sleep(0.05)

    async def _kill(self) -> None:
        """A few deaths in a batch: a run may be tried again so often, and no more."""
        for _ in range(self.rng.randrange(1, _MOST_DEATHS + 1)):
            await asyncio.sleep(self.rng.random() * _DEATHS)
            victims = ["cell", "cell", "host", "host", "control"]
            if self.server is not None:
                victims.append("database")
            await self._killed(self.rng.choice(victims))
            with contextlib.suppress(AssertionError):  # it may have died again, at a named point
                await self.line.until_ready(*self.line.processes)

    async def _watch(self) -> None:
        while True:
            await self._all_up()
            await asyncio.sleep(0.05)

    async def _killed(self, victim: str) -> None:
        cell, control = self.line.cells["staging"][0], self.line.controls[0]
        if victim == "host":
            for pid in guests(cell)[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif victim == "database":
            assert self.server is not None
            await asyncio.to_thread(self.server.kill)
            await asyncio.to_thread(self.server.resume)
        else:
            (cell if victim == "cell" else control).kill()
        self.kills[victim] += 1

    async def _all_up(self) -> None:
        """Start what is dead; a cell's next death may be at a named point."""
        for process in self.line.processes:
            if not process.alive:
                point = self.rng.choice(("", "", *_POINTS)) if process.command == "cell" else ""
                process.start(f"runs.{point}=kill" if point else "")

    def _faults(self) -> str:
        """What the cell itself calls a fault, for a failure."""
        log = self.line.cells["staging"][0].log.read_text(errors="replace")
        return "\n".join(line for line in log.splitlines() if '"level":"error"' in line)

    async def _paid(self) -> list[str]:
        return await asyncio.to_thread(_read, self.shop)


def _read(path: str) -> list[str]:
    """What was paid; the database is the cell's, so whoever looks opens the bare file."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return [row[0] for row in raw.execute("SELECT what FROM ledger")]


def _deeds(desk: Desk) -> list[tuple[str, str]]:
    """What the service did: each a kind, and to what."""
    found = (path.split("/") for _, path in desk.deeds)
    return [(kind, what) for _, kind, what in found]


def _furnish(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE ledger (what TEXT NOT NULL)"))


def _program(rng: random.Random, name: str) -> list[list[tuple[str, str]]]:
    """Steps, each of calls at once."""
    number = iter(range(100))
    return [
        [
            (rng.choice((*_WRITES, "look")), f"{name}-{next(number)}")
            for _ in range(rng.choice((1, 1, 1, 2, 3)))
        ]
        for _ in range(rng.randrange(2, 6))
    ]


@contextlib.asynccontextmanager
async def _standing(kind: str, seed: int) -> AsyncIterator[Effects]:
    desk = Desk(moment=_MOMENT)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres.private("effects")) if kind == "postgresql" else None
        async with serving(desk) as address:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sea-effects-"))
            shop = f"{folder}/shop.db"
            with Database.open(f"sqlite:///{shop}") as database:
                database.alter_now(_furnish)
            tables: dict[str, dict[str, Any]] = {
                "connectors.desk": {"kind": "http", "url": address},
                "connectors.shop": {"kind": "sql", "url": f"sqlite:///{shop}"},
                "runs": {"attempts": 20},
            }
            shape = Shape(database=kind, production=0, cell=tables)
            async with system(shape, server) as line:
                await line.deploy(_AGENT, files={"what.json": _WHAT}, limits=_ACTIONS)
                rng = random.Random(seed)  # noqa: S311
                yield Effects(line=line, desk=desk, shop=shop, server=server, rng=rng)


def killed(kind: str, loops: int) -> Mapping[str, object]:
    """So many runs on databases of `kind`."""
    return asyncio.run(_killed_beside(kind, loops))


async def _killed_beside(kind: str, loops: int) -> Mapping[str, object]:
    rng = random.Random(loops)  # noqa: S311
    async with _standing(kind, loops) as here:
        wanted: list[tuple[str, str]] = []
        for first in range(0, loops, _AT_ONCE):
            names = [f"r{n}" for n in range(first, min(first + _AT_ONCE, loops))]
            runs = [(name, _program(rng, name)) for name in names]
            wanted += [c for _, steps in runs for step in steps for c in step if c[0] != "look"]
            await here.batch(runs)
        done = Counter(_deeds(here.desk))
        done += Counter(("pay", what) for what in await here._paid())
        twice = sum(count > 1 for count in done.values())
        lost = len(Counter(wanted) - done)
        assert done == Counter(wanted), (done - Counter(wanted), Counter(wanted) - done)
    return {
        "runs": loops,
        **{f"{victim} killed": count for victim, count in sorted(here.kills.items())},
        "effects": done.total(),
        "twice": twice,
        "lost": lost,
        "people asked": here.asked,
    }


SOAKS: Final = tuple(
    Soak(
        name=f"effects under kill -9, {title}",
        promise=(
            "whatever carries a run dies at any moment: the run ends, each of its effects is in "
            "the outside ledger once, and a person is asked only what nobody else can tell"
        ),
        run=partial(killed, kind),
        full=full,
        short=8,
    )
    for kind, title, full in (("sqlite", "SQLite", 1_000), ("postgresql", "PostgreSQL", 300))
)
