"""Whoever edits control's database by hand makes nothing that a cell accepts."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, delete, select, update

from seatrial.contract.evidence.keyring import open_keyring
from seatrial.contract.evidence.statements import Commit, Proposal, Step, Verb
from seatrial.contract.releases.closure import Active
from seatrial.contract.switch.api import GenerationRow
from seatrial.contract.switch.desired import Desired, Ordered
from seatrial.control.promotions.domain.refusals import GenerationAltered
from seatrial.control.promotions.store.tables import ENVIRONMENT, EVIDENCE, GENERATION
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.contract.making import release
from tests.control.promotions.line import EUROPE, Line, wait

ONE, TWO = release(prompt="one"), release(prompt="two")
Edit = Callable[[Connection], None]


def holds(line: Line, told: Desired, ordered: Ordered) -> bool:
    """Whether a cell finds what control signed, whole: the first thing that it looks at."""
    keyring = open_keyring(told.keyring.encode(), roots=[line.crew.root.verify_key], at_least=1)
    try:
        subject, proposal, _ = Proposal.verified(ordered.proposal.encode(), keyring.control_keys)
        if ordered.commit is not None:
            about, commit, _ = Commit.verified(ordered.commit.encode(), keyring.control_keys)
            if (about, commit.generation) != (subject, proposal.generation):
                return False
    except SeatrialError:
        return False
    came = {Digest.of(each.encode()) for each in ordered.evidence}
    return subject == ordered.closure.digest and came == set(proposal.evidence)


def _document(change: Callable[[dict[str, Any]], None]) -> Edit:
    """An edit of the closure of generation 1, and of its digest too."""

    def edit(connection: Connection) -> None:
        row = connection.execute(select(GENERATION).where(_first())).one()
        document = row.document
        change(document)
        digest = str(Digest.of_json(document))
        connection.execute(
            update(GENERATION).where(_first()).values(document=document, closure=digest)
        )

    return edit


def _sql(statement: Executable) -> Edit:
    def edit(connection: Connection) -> None:
        connection.execute(statement)

    return edit


def _values(**values: object) -> Edit:
    return _sql(update(GENERATION).where(_first()).values(**values))


def _first() -> Any:
    return (GENERATION.c.environment == "production") & (GENERATION.c.generation == 1)


def _swap(document: dict[str, Any]) -> None:
    document["agents"]["support"] = Active(release=TWO.name, name="support@2").document()


def _loosen(document: dict[str, Any]) -> None:
    document["rules"]["gates"] = []


def _forge(connection: Connection) -> None:
    """A whole generation that fits, signed by a key of the editor's own."""
    row = connection.execute(select(GENERATION).where(_first())).one()
    document = row.document
    _swap(document)
    digest = Digest.of_json(document)
    key = SigningKey.generate()
    signed = Proposal(
        environment="production",
        generation=1,
        previous=0,
        base=digest,
        verb=Verb.PROMOTE,
        required=("production",),
        at=row.ordered,
    ).signed(digest, "closure", key)
    connection.execute(
        update(GENERATION)
        .where(_first())
        .values(document=document, closure=str(digest), proposal=signed.decode(), evidence=[])
    )


@pytest.mark.parametrize(
    "edit",
    [
        _document(_swap),
        _document(_loosen),
        _document(lambda document: document.update(environment="staging")),
        _values(closure=str(TWO.name)),
        _values(document={}),
        _values(proposal="{}"),
        _values(commit_envelope="{}"),
        _values(evidence=[]),
        _forge,
        _sql(delete(EVIDENCE)),
        _sql(delete(GENERATION)),
        _sql(update(EVIDENCE).values(envelope=EVIDENCE.c.envelope + " ")),
    ],
)
def test_what_is_edited_after_its_commit_is_told_to_no_cell_or_holds_no_more(
    sqlite_url: str, tmp_path: Path, edit: Edit
) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.promoted(ONE)
        await line.deployed(TWO)
        told = await line.desired("production")
        assert told.committed is not None
        assert holds(line, told, told.committed)
        database.write_now(edit)
        line.promotions.awaken()
        other = line.beside(database)
        try:
            told = await other.desired("production")
        except GenerationAltered:
            return
        assert told.committed is not None
        assert not holds(line, told, told.committed)

    with Database.open(sqlite_url) as database:
        wait(main(database))


@pytest.mark.parametrize(
    ("edit", "prepared"),
    [
        (_values(required=["production"]), ["production"]),
        (_values(required=["production"], excluded=["nobody"]), ["production"]),
        (_values(prepared={"production-eu": ""}), ["production"]),
        (_values(proposal="{}"), ["production", "production-eu"]),
        (_document(_swap), ["production", "production-eu"]),
        (_forge, ["production", "production-eu"]),
    ],
)
def test_what_is_edited_before_its_commit_is_not_committed(
    sqlite_url: str, tmp_path: Path, edit: Edit, prepared: list[str]
) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await line.deployed(ONE)
        await line.hand_in(TWO)
        row = await line.proposed("production", Verb.PROMOTE)
        database.write_now(edit)
        for name in prepared:
            cell = line.cells[name]
            with contextlib.suppress(GenerationAltered):
                await line.report(cell, cell.says(row, Step.PREPARED))
        told = await _state(line)
        assert told is None or told.committed is None
        assert line.logged()[-1] == "switch.proposed"

    with Database.open(sqlite_url) as database:
        wait(main(database))


async def _state(line: Line) -> GenerationRow | None:
    try:
        return await line.promotions.generation("production", 1)
    except GenerationAltered:
        return None


def test_a_row_that_says_committed_brings_no_commit(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        await line.proposed("production", Verb.PROMOTE)

        def edit(connection: Connection) -> None:
            connection.execute(update(GENERATION).where(_first()).values(state="committed"))
            row = update(ENVIRONMENT).where(ENVIRONMENT.c.environment == "production")
            connection.execute(row.values(current=1, proposed=None))

        database.write_now(edit)
        told = await line.beside(database).desired("production")
        assert told.committed is not None
        assert told.committed.commit is None

    with Database.open(sqlite_url) as database:
        wait(main(database))
