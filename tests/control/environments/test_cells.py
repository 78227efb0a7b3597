"""A cell is let in once, into one environment; it counts when the keyring names its keys."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from seatrial.contract.environments.profiles import EnvironmentUnknown, rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import (
    CellEntry,
    CellReplica,
    Keyring,
    KeyringOlder,
    KeyringUnfit,
)
from seatrial.contract.evidence.keyring import sign_keyring as sign
from seatrial.contract.evidence.statements import Possession
from seatrial.contract.switch.api import EnrolAnswer, EnrolmentTokenRequest, EnrolRequest
from seatrial.control.environments.domain import (
    CellElsewhere,
    CellTokenRefused,
    CellUnlisted,
    EnrolmentTokenRefused,
    KeyTaken,
    OtherCell,
    ProfileDiffers,
)
from seatrial.control.environments.store import INVITATION, KEYRING, REPLICA
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import EnvelopeMalformed, EnvelopeOfOtherType, EnvelopeUntrusted
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.tokens import Token, TokenMistyped
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.contract.making import release
from tests.control.catalog.world import ADA, World, wait

HOUR = 3_600.0


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def invited(
    world: World, cell: str = "staging", environment: str = "staging", region: str = "local"
) -> str:
    """An enrolment token."""
    request = EnrolmentTokenRequest(cell=cell, environment=environment, region=region)
    return wait(world.environments.invite(request, ADA)).token


def asking(
    token: str,
    *,
    signing: str | None = None,
    sealing: str | None = None,
    profile: Profile = Profile.SOLO,
    url: str = "http://127.0.0.1:8800",
) -> EnrolRequest:
    """What a process of a cell asks, with keys of its own unless told otherwise."""
    return EnrolRequest(
        token=token,
        signing=signing or SigningKey.generate().id,
        sealing=sealing or OpeningKey.generate().id,
        url=url,
        profile=profile,
    )


def enrolled(world: World, request: EnrolRequest) -> EnrolAnswer:
    return wait(world.environments.enrol(request))


def listing(world: World, *cells: CellEntry, version: int = 1) -> Keyring:
    """A keyring in force that lists `cells`."""
    keyring = Keyring(version=version, control=(world.crew.control.id,), cells=cells)
    signed = sign(keyring, world.crew.root).decode()
    return wait(world.environments.put_keyring(signed, ADA))


def entry(
    *requests: EnrolRequest, name: str = "staging", environment: str = "staging"
) -> CellEntry:
    """What lists the processes that asked with `requests`."""
    replicas = tuple(CellReplica(signing=each.signing, sealing=each.sealing) for each in requests)
    return CellEntry(name=name, environment=environment, region="local", replicas=replicas)


# --- Enrolment ------------------------------------------------------------------------------------


def test_a_cell_gets_a_token_that_opens_itself_alone(world: World) -> None:
    answer = enrolled(world, asking(invited(world)))
    assert (answer.cell, answer.environment, answer.region) == ("staging", "staging", "local")
    replica = wait(world.environments.authorize_cell(answer.token, "staging"))
    assert replica.cell == "staging"
    with pytest.raises(OtherCell):
        wait(world.environments.authorize_cell(answer.token, "production"))
    assert world.logged() == ["cell.invited", "cell.enrolled"]


def test_an_enrolment_token_lets_in_one_of_many_that_race(world: World) -> None:
    token = invited(world)

    async def race() -> list[object]:
        racing = [world.environments.enrol(asking(token)) for _ in range(8)]
        return list(await asyncio.gather(*racing, return_exceptions=True))

    outcomes = wait(race())
    assert sum(isinstance(each, EnrolAnswer) for each in outcomes) == 1
    refused = [each for each in outcomes if not isinstance(each, EnrolAnswer)]
    assert all(isinstance(each, EnrolmentTokenRefused) for each in refused)
    assert len(wait(world.environments.enrolments())) == 1
    assert world.logged() == ["cell.invited", "cell.enrolled"]


def test_a_process_whose_answer_was_lost_asks_again_and_nobody_else_can(world: World) -> None:
    """Control or the cell may die between the enrolment and the answer's being written down."""
    mine, other = SigningKey.generate(), SigningKey.generate()
    token = invited(world)
    request = asking(token, signing=mine.id)
    lost = enrolled(world, request)
    said = Possession(sealing=request.sealing)
    for proof in (
        None,
        said.signed(Digest.of(token.encode()), "token", other),
        said.signed(Digest.of(b"another"), "token", mine),
        Possession(sealing=OpeningKey.generate().id).signed(
            Digest.of(token.encode()), "token", mine
        ),
    ):
        told = None if proof is None else proof.decode()
        with pytest.raises((EnrolmentTokenRefused, EnvelopeUntrusted)):
            enrolled(world, request.model_copy(update={"proof": told}))
    good = said.signed(Digest.of(token.encode()), "token", mine).decode()
    stranger = asking(token, sealing=request.sealing).model_copy(update={"proof": good})
    with pytest.raises(EnrolmentTokenRefused, match="used"):
        enrolled(world, stranger)
    answer = enrolled(world, request.model_copy(update={"proof": good}))
    assert wait(world.environments.authorize_cell(answer.token)).signing == mine.id
    with pytest.raises(CellTokenRefused):
        wait(world.environments.authorize_cell(lost.token))
    assert len(wait(world.environments.enrolments())) == 1
    world.clock.advance(HOUR)
    with pytest.raises(EnrolmentTokenRefused, match="expired"):
        enrolled(world, request.model_copy(update={"proof": good}))


def test_an_enrolment_token_expires(world: World) -> None:
    token = invited(world)
    world.clock.advance(HOUR)
    with pytest.raises(EnrolmentTokenRefused, match="expired"):
        enrolled(world, asking(token))


@pytest.mark.parametrize(
    "token",
    [
        lambda: Token.mint("staging", "enrol").reveal(),
        lambda: Token.mint("staging", "cell").reveal(),
        lambda: Token.mint("control", "api").reveal(),
        lambda: "sea_staging_enrol_0",
        lambda: "",
    ],
)
def test_a_token_that_was_not_made_here_lets_nobody_in(
    world: World, token: Callable[[], str]
) -> None:
    with pytest.raises((EnrolmentTokenRefused, TokenMistyped)):
        enrolled(world, asking(token()))
    assert wait(world.environments.enrolments()) == ()
    assert world.logged() == []


def test_a_refused_enrolment_leaves_its_token_good(world: World) -> None:
    token = invited(world)
    with pytest.raises(ProfileDiffers):
        enrolled(world, asking(token, profile=Profile.TEAM))
    enrolled(world, asking(token))


def test_another_process_of_the_cell_enrols_with_a_token_of_its_own(world: World) -> None:
    first = enrolled(world, asking(invited(world)))
    second = enrolled(world, asking(invited(world)))
    for answer in (first, second):
        assert wait(world.environments.authorize_cell(answer.token)).cell == "staging"
    assert len(wait(world.environments.enrolments())) == 2


def test_a_process_that_lost_its_token_gets_another_and_the_old_one_is_void(world: World) -> None:
    request = asking(invited(world))
    lost = enrolled(world, request)
    again = enrolled(world, request.model_copy(update={"token": invited(world)}))
    assert wait(world.environments.authorize_cell(again.token)).signing == request.signing
    with pytest.raises(CellTokenRefused):
        wait(world.environments.authorize_cell(lost.token))
    assert len(wait(world.environments.enrolments())) == 1


def test_a_cell_belongs_to_one_environment_and_region_for_good(world: World) -> None:
    early = invited(world, environment="production")
    enrolled(world, asking(invited(world)))
    with pytest.raises(CellElsewhere):
        invited(world, environment="production")
    with pytest.raises(CellElsewhere):
        invited(world, region="eu")
    with pytest.raises(CellElsewhere):  # a token made before the cell was settled
        enrolled(world, asking(early, profile=Profile.TEAM))


@pytest.mark.parametrize("copied", ["signing", "sealing"])
@pytest.mark.parametrize("cell", ["staging", "production"])
def test_a_key_belongs_to_one_process(world: World, copied: str, cell: str) -> None:
    first = asking(invited(world))
    enrolled(world, first)
    other = asking(
        invited(world, cell, cell), profile=Profile.TEAM if cell == "production" else Profile.SOLO
    )
    copy = other.model_copy(update={copied: getattr(first, copied)})
    with pytest.raises(KeyTaken, match="staging"):
        enrolled(world, copy)


@pytest.mark.parametrize(
    ("signing", "sealing"),
    [
        ("ed25519:" + "0" * 64, None),  # a point of small order: its signatures prove nothing
        ("x25519:" + "a" * 64, None),
        (None, "x25519:" + "0" * 64),
        (None, "ed25519:" + "a" * 64),
    ],
)
def test_a_key_that_proves_nothing_is_refused(
    world: World, signing: str | None, sealing: str | None
) -> None:
    with pytest.raises(KeyMalformed):
        enrolled(world, asking(invited(world), signing=signing, sealing=sealing))


def test_an_environment_off_the_path_has_no_cell(world: World) -> None:
    with pytest.raises(EnvironmentUnknown):
        invited(world, environment="moon")


def test_no_secret_is_kept(world: World) -> None:
    token = invited(world)
    answer = enrolled(world, asking(token))
    kept = world.read(
        lambda connection: str(
            (
                connection.execute(select(INVITATION)).all(),
                connection.execute(select(REPLICA)).all(),
                connection.execute(text("SELECT * FROM log_entry")).all(),
            )
        )
    )
    assert token not in kept
    assert answer.token not in kept


def test_a_cells_token_is_no_token_of_another_kind(world: World) -> None:
    for kind in ("api", "enrol"):
        with pytest.raises(CellTokenRefused):
            wait(world.environments.authorize_cell(Token.mint("staging", kind).reveal()))


# --- Which cells count ----------------------------------------------------------------------------


def counting(world: World, environment: str = "staging") -> list[tuple[str, int]]:
    """Names of the cells that count, each with the number of its processes."""
    cells = world.read(lambda connection: world.environments.cells(connection, environment))
    return [(cell.name, len(cell.replicas)) for cell in cells]


def test_a_cell_counts_once_the_keyring_names_its_keys(world: World) -> None:
    first, second = asking(invited(world)), asking(invited(world))
    enrolled(world, first)
    enrolled(world, second)
    assert counting(world) == []
    listing(world, entry(first))
    assert counting(world) == [("staging", 1)]
    listing(world, entry(first, second), version=2)
    assert counting(world) == [("staging", 2)]
    assert counting(world, "production") == []
    assert [each.listed for each in wait(world.environments.enrolments())] == [True, True]
    listing(world, version=3)
    assert counting(world) == []


def test_a_cell_that_must_be_listed_is_refused_before_and_after_it_was(world: World) -> None:
    request = asking(invited(world))
    token = enrolled(world, request).token
    for version, cells in enumerate([(), (entry(request),), ()], 1):
        listing(world, *cells, version=version)
        if cells:
            wait(world.environments.authorize_cell(token, listed=True))
            continue
        with pytest.raises(CellUnlisted):
            wait(world.environments.authorize_cell(token, listed=True))
        wait(world.environments.authorize_cell(token))


def test_a_cell_does_not_count_under_another_name_environment_or_with_half_its_keys(
    world: World,
) -> None:
    known = asking(invited(world))
    enrolled(world, known)
    half = known.model_copy(update={"sealing": OpeningKey.generate().id})
    wrong = [entry(known, name="other"), entry(known, environment="production"), entry(half)]
    for version, cell in enumerate(wrong, 1):
        listing(world, cell, version=version)
        assert counting(world) == []
        assert counting(world, "production") == []


def test_callers_find_a_cell_where_its_latest_process_says(world: World) -> None:
    old, new = asking(invited(world)), asking(invited(world), url="http://10.0.0.2:8800")
    enrolled(world, old)
    world.clock.advance(1)
    enrolled(world, new)
    listing(world, entry(old, new))
    (cell,) = world.read(lambda connection: world.environments.cells(connection, "staging"))
    assert cell.url == "http://10.0.0.2:8800"


# --- The keyring ----------------------------------------------------------------------------------


def signed(world: World, version: int, key: SigningKey | None = None) -> str:
    return sign(world.crew.keyring(version), key or world.crew.root).decode()


def in_force(world: World) -> int:
    found = world.read(world.environments.keyring)
    return 0 if found is None else found[0].version


def test_the_version_of_the_keyring_only_rises_and_every_version_is_kept(world: World) -> None:
    assert in_force(world) == 0
    wait(world.environments.put_keyring(signed(world, 3), ADA))
    for version in (1, 2, 3):
        with pytest.raises(KeyringOlder):
            wait(world.environments.put_keyring(signed(world, version), ADA))
    wait(world.environments.put_keyring(signed(world, 7), ADA))
    assert in_force(world) == 7
    kept = world.read(
        lambda connection: connection.execute(select(KEYRING.c.version)).scalars().all()
    )
    assert sorted(kept) == [3, 7]
    assert world.logged() == ["keyring.put", "keyring.put"]


def test_the_same_keyring_sent_again_changes_nothing(world: World) -> None:
    envelope = signed(world, 1)
    for _ in range(3):
        wait(world.environments.put_keyring(envelope, ADA))
    assert world.logged() == ["keyring.put"]


def test_of_racing_keyrings_of_one_version_one_is_kept(world: World) -> None:
    envelopes = [signed(world, 1) for _ in range(6)]  # each lists sealing keys of its own

    async def race() -> list[object]:
        racing = [world.environments.put_keyring(each, ADA) for each in envelopes]
        return list(await asyncio.gather(*racing, return_exceptions=True))

    outcomes = wait(race())
    assert sum(isinstance(each, Keyring) for each in outcomes) == 1
    assert sum(isinstance(each, KeyringOlder) for each in outcomes) == 5
    assert world.logged() == ["keyring.put"]


def test_a_keyring_that_the_root_did_not_sign_is_refused(world: World) -> None:
    for key in (world.crew.stranger, world.crew.control, world.crew.author):
        with pytest.raises(EnvelopeUntrusted):
            wait(world.environments.put_keyring(signed(world, 1, key), ADA))
    other = world.crew.provenance(release(), world.crew.root).decode()
    with pytest.raises(EnvelopeOfOtherType):
        wait(world.environments.put_keyring(other, ADA))
    for broken in ("", "{}", "x" * 100_000, "\0", "[" * 100_000):
        with pytest.raises(SeatrialError) as caught:
            wait(world.environments.put_keyring(broken, ADA))
        assert caught.value.status < 500
    assert in_force(world) == 0


def _same_person_twice(keyring: Keyring) -> dict[str, object]:
    return {"people": (keyring.people[0], keyring.people[0])}


def _person_with_the_key_of_control(keyring: Keyring) -> dict[str, object]:
    return {"control": (keyring.people[0].key,)}


def _cell_with_the_key_of_a_person(keyring: Keyring) -> dict[str, object]:
    replica = keyring.cells[0].replicas[0].model_copy(update={"signing": keyring.people[0].key})
    return {"cells": (keyring.cells[0].model_copy(update={"replicas": (replica,)}),)}


def _cell_in_two_environments(keyring: Keyring) -> dict[str, object]:
    other = keyring.cells[1].model_copy(update={"name": keyring.cells[0].name})
    return {"cells": (keyring.cells[0], other)}


def _person_with_a_key_that_proves_nothing(keyring: Keyring) -> dict[str, object]:
    spoiled = keyring.people[0].model_copy(update={"key": "ed25519:" + "0" * 64})
    return {"people": (spoiled,)}


def _control_with_a_sealing_key(keyring: Keyring) -> dict[str, object]:
    return {"control": (keyring.cells[0].replicas[0].sealing,)}


@pytest.mark.parametrize(
    "spoilt",
    [
        _same_person_twice,
        _person_with_the_key_of_control,
        _cell_with_the_key_of_a_person,
        _cell_in_two_environments,
        _person_with_a_key_that_proves_nothing,
        _control_with_a_sealing_key,
    ],
)
def test_a_keyring_in_which_a_key_has_two_holders_or_is_none_is_refused(
    world: World, spoilt: Callable[[Keyring], dict[str, object]]
) -> None:
    keyring = world.crew.keyring()
    unfit = keyring.model_copy(update=spoilt(keyring))
    with pytest.raises(KeyringUnfit):
        wait(world.environments.put_keyring(sign(unfit, world.crew.root).decode(), ADA))
    assert in_force(world) == 0


@pytest.mark.parametrize("edit", ["swapped", "lowered", "broken"])
def test_a_keyring_edited_in_the_database_is_not_believed(world: World, edit: str) -> None:
    envelope = signed(world, 4)
    wait(world.environments.put_keyring(envelope, ADA))
    stored = {
        "swapped": signed(world, 4, world.crew.stranger),
        "lowered": signed(world, 3),
        "broken": "{}",
    }[edit]
    world.database.write_now(
        lambda connection: connection.execute(update(KEYRING).values(envelope=stored)).rowcount
    )
    with pytest.raises((EnvelopeUntrusted, KeyringOlder, EnvelopeMalformed)):
        in_force(world)


# --- Rules ----------------------------------------------------------------------------------------


def test_an_environment_begins_with_the_rules_of_its_profile(world: World) -> None:
    initial = world.environments.initial("production")
    assert initial.rules == rules_of(Profile.TEAM, "production")
    assert world.environments.rules("staging") == rules_of(Profile.SOLO, "staging")
    assert not initial.agents
    with pytest.raises(EnvironmentUnknown):
        world.environments.initial("moon")
