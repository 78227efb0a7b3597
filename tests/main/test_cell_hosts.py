"""Agent processes under the rules in force."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from seatrial.cell.hosts.domain import Isolation, IsolationMissing
from seatrial.cell.switch.service.admission import begin
from seatrial.cell.switch.store import HISTORY, keep_release
from seatrial.contract.environments.rules import Profile
from seatrial.contract.releases.release import Release
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.main.cell_hosts import ReleaseHosts
from tests.contract.making import NOW, closure, release
from tests.kit.leases.looped import in_a_loop

ONE = release()


@dataclass
class Process:
    isolation: Isolation


class Processes:
    """Hosts of a machine whose kernel has no Landlock."""

    @contextlib.asynccontextmanager
    async def slot(self, _plan: object) -> AsyncIterator[Process]:
        yield Process(Isolation(level="L0", landlock=0, seccomp=True, missing=("landlock",)))


async def _nothing(_release: Release) -> None:
    """It is here already."""


@pytest.mark.parametrize("profile", Profile)
@in_a_loop
async def test_no_run_starts_unisolated_where_the_rules_demand_isolation(
    sqlite_url: str, profile: Profile
) -> None:
    """However the process came to be warm, and whether or not rules were told of before."""
    with Database.open(sqlite_url) as database:
        migrate_now(database, [HISTORY])
        database.write_now(lambda connection: begin(connection, closure(profile=profile), NOW))
        document = ONE.model_dump(mode="json")
        database.write_now(lambda connection: keep_release(connection, ONE.name, document, NOW))
        hosts = ReleaseHosts(
            cast("Any", Processes()),
            database,
            cast("Any", None),
            plan=lambda _release: cast("Any", None),
            fetch=_nothing,
            expect=lambda _release: None,
        )
        allowed = profile is Profile.SOLO
        with contextlib.nullcontext() if allowed else pytest.raises(IsolationMissing):
            async with hosts.slot(ONE.name):
                pass
