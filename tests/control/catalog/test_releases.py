"""A release is taken in whole, vouched for by somebody known, once, under the next number."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.evidence.statements import Provenance
from seatrial.contract.releases.components import Code, Prompt, Wheel, component
from seatrial.contract.releases.difference import Change
from seatrial.contract.releases.release import (
    Release,
    ReleaseAltered,
    ReleaseNameMalformed,
    assemble,
)
from seatrial.contract.switch.api import DeployRequest
from seatrial.control.catalog.domain import (
    BlobsMissing,
    KnownRelease,
    NobodySigns,
    ProvenanceUnfit,
    ReleaseOfOther,
    ReleaseTooLarge,
    ReleaseUnknown,
)
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import EnvelopeMalformed, EnvelopeUntrusted
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.contract.making import NOW, release
from tests.control.catalog.world import ADA, BUNDLE, World, wait


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    made = World(database, tmp_path)
    wait(made.ready())
    return made


def deployed(world: World, of: Release, **given: Any) -> KnownRelease:
    return wait(world.catalog.deploy(world.request(of, **given), ADA))


def listed(world: World, agent: str | None = None) -> list[str]:
    found = world.read(lambda connection: world.catalog.releases(connection, agent, None, 500))
    return [each.name for each in found]


# --- Deploy ---------------------------------------------------------------------------------------


def test_a_release_comes_out_as_it_went_in(world: World) -> None:
    of = release()
    known = deployed(world, of)
    assert (known.name, known.digest, known.author) == ("support@1", of.name, "Ada")
    assert world.read(lambda connection: world.catalog.release(connection, of.name)) == of
    envelope = world.read(lambda connection: world.catalog.provenance(connection, of.name))
    assert len(envelope) == 1
    about, _, signers = Provenance.verified(envelope[0].encode(), [world.crew.author.verify_key])
    assert about == of.name
    assert signers == {world.crew.author.verify_key}
    assert world.logged() == ["keyring.put", "release.deployed"]
    assert world.log()[-1].subject == str(of.name)


def test_a_release_deployed_again_keeps_its_number(world: World) -> None:
    first = deployed(world, release())
    assert deployed(world, release()) == first
    assert deployed(world, release(prompt="Be brief.")).name == "support@2"
    assert deployed(world, release()) == first
    assert world.logged().count("release.deployed") == 2


def test_what_other_people_sign_of_a_release_is_kept_once_each(world: World) -> None:
    of = release()
    deployed(world, of)
    for key in (world.crew.releaser, world.crew.author, world.crew.releaser):
        assert deployed(world, of, key=key).author == "Ada"
    kept = world.read(lambda connection: world.catalog.provenance(connection, of.name))
    assert len(kept) == 2
    assert world.logged() == ["keyring.put", "release.deployed", "release.vouched"]


def test_numbers_rise_without_gap_whoever_races(world: World) -> None:
    """Twelve releases of one agent, each handed in twice, all at once, and refused ones between."""
    releases = [release(prompt=f"{number}") for number in range(12)]

    async def race() -> list[object]:
        racing = [
            world.catalog.deploy(world.request(each, key), ADA)
            for each in releases
            for key in (None, world.crew.stranger, None)
        ]
        return list(await asyncio.gather(*racing, return_exceptions=True))

    outcomes = wait(race())
    taken = [each for each in outcomes if isinstance(each, KnownRelease)]
    assert len(taken) == 24
    assert all(isinstance(each, EnvelopeUntrusted) for each in outcomes if each not in taken)
    numbers = {each.digest: each.number for each in taken}
    assert sorted(numbers.values()) == list(range(1, 13))
    assert all(each.number == numbers[each.digest] for each in taken)
    assert world.logged().count("release.deployed") == 12


def test_each_agent_counts_for_itself(world: World) -> None:
    for agent in ("billing", "support", "billing"):
        deployed(world, release(agent=agent, prompt=str(len(listed(world)))))
    assert listed(world) == ["billing@2", "support@1", "billing@1"]
    assert listed(world, "support") == ["support@1"]


def test_without_its_blobs_a_release_is_refused_and_all_are_named(world: World) -> None:
    wheels = tuple(
        Wheel(file=f"w{number}-1-py3-none-any.whl", content=Digest.of(bytes([number])))
        for number in range(2)
    )
    code = Code(entry="a.py:a", bundle=Digest.of(BUNDLE), python="3.11", wheels=wheels)
    of = assemble("support", (component("main", code),))
    with pytest.raises(BlobsMissing) as caught:
        deployed(world, of)
    assert caught.value.fields["count"] == 2
    for wheel in wheels:
        assert str(wheel.content) in caught.value.message
    assert listed(world) == []


def test_nobody_deploys_before_there_is_a_keyring(database: Database, tmp_path: Path) -> None:
    world = World(database, tmp_path)
    wait(world.blobs.put(Digest.of(BUNDLE), _bundle()))
    with pytest.raises(NobodySigns):
        deployed(world, release())


async def _bundle() -> Any:
    yield BUNDLE


def test_who_is_not_on_the_keyring_deploys_nothing(world: World) -> None:
    for key in (world.crew.stranger, world.crew.control, world.crew.root, world.crew.staging):
        with pytest.raises(EnvelopeUntrusted):
            deployed(world, release(), key=key)
    assert listed(world) == []
    assert world.logged() == ["keyring.put"]


def test_a_word_on_another_release_or_agent_does_not_count(world: World) -> None:
    of, other = release(), release(prompt="Be rude.")
    request = world.request(of)
    foreign = request.model_copy(update={"provenance": world.crew.provenance(other).decode()})
    with pytest.raises(ProvenanceUnfit, match="about sha256"):
        wait(world.catalog.deploy(foreign, ADA))
    said = Provenance(agent="billing", at=NOW).signed(of.name, "release", world.crew.author)
    with pytest.raises(ProvenanceUnfit, match="billing"):
        wait(world.catalog.deploy(request.model_copy(update={"provenance": said.decode()}), ADA))
    order = world.crew.counted(of, key=world.crew.author).decode()
    with pytest.raises(SeatrialError) as caught:
        wait(world.catalog.deploy(request.model_copy(update={"provenance": order}), ADA))
    assert caught.value.code == "statement_malformed"
    assert listed(world) == []


@pytest.mark.parametrize("envelope", ["", "null", "{}", "x" * 1_000, "[" * 10_000, "\0"])
def test_what_is_no_envelope_is_refused(world: World, envelope: str) -> None:
    request = world.request(release()).model_copy(update={"provenance": envelope})
    with pytest.raises(SeatrialError) as caught:
        wait(world.catalog.deploy(request, ADA))
    assert caught.value.status == 400


# --- What is no release ---------------------------------------------------------------------------


def _without_components(document: dict[str, Any]) -> None:
    document["components"] = []


def _with_a_million_components(document: dict[str, Any]) -> None:
    document["components"] = document["components"][:1] * 1_000_000


def _with_another_prompt(document: dict[str, Any]) -> None:
    document["components"][1]["body"]["text"] = "Be rude."


def _with_a_component_more(document: dict[str, Any]) -> None:
    document["components"].append(component("more", Prompt(text="more")).document())


def _with_a_component_twice(document: dict[str, Any]) -> None:
    document["components"].append(document["components"][1])


def _with_another_agent(document: dict[str, Any]) -> None:
    document["manifest"]["agent"] = "billing"


def _with_an_unknown_field(document: dict[str, Any]) -> None:
    document["note"] = "harmless?"


def _with_a_path_for_an_agent(document: dict[str, Any]) -> None:
    document["manifest"]["agent"] = "../../etc"


def _with_a_path_for_an_entry(document: dict[str, Any]) -> None:
    document["components"][0]["body"]["entry"] = "a\\b.py:x"


def _with_a_digest_that_is_none(document: dict[str, Any]) -> None:
    document["components"][0]["body"]["bundle"] = "sha256:../../x"


def _of_another_kind(document: dict[str, Any]) -> None:
    document.clear()
    document["manifest"] = []


@pytest.mark.parametrize(
    "spoil",
    [
        _without_components,
        _with_a_million_components,
        _with_another_prompt,
        _with_a_component_more,
        _with_a_component_twice,
        _with_another_agent,
        _with_an_unknown_field,
        _with_a_path_for_an_agent,
        _with_a_path_for_an_entry,
        _with_a_digest_that_is_none,
        _of_another_kind,
    ],
)
def test_what_is_no_whole_release_is_refused(
    world: World, spoil: Callable[[dict[str, Any]], None]
) -> None:
    request = world.request(release())
    document = json.loads(json.dumps(request.release))
    spoil(document)
    spoiled = DeployRequest.model_construct(**{**request.__dict__, "release": document})
    with pytest.raises(
        (DocumentInvalid, ReleaseAltered, ReleaseTooLarge, ProvenanceUnfit, EnvelopeMalformed)
    ) as caught:
        wait(world.catalog.deploy(spoiled, ADA))
    assert caught.value.status in {400, 413}
    assert listed(world) == []


def test_a_release_with_too_much_text_is_refused(world: World) -> None:
    prompts = [component(f"p{number}", Prompt(text="x" * 262_144)) for number in range(33)]
    of = assemble("support", (*release().components, *prompts))
    with pytest.raises(ReleaseTooLarge):
        deployed(world, of)


def test_a_prompt_with_every_kind_of_character_survives(world: World) -> None:
    of = release(prompt="\0 \x1f \x7f é 𝄞 ￿ \u2028 'quoted' \"twice\" \\ %s {x} $1 --")
    deployed(world, of)
    assert world.read(lambda connection: world.catalog.release(connection, of.name)) == of


def test_a_release_edited_in_the_database_is_not_handed_out(world: World) -> None:
    of = release()
    deployed(world, of)

    def edit(connection: Connection) -> None:
        connection.execute(
            text("UPDATE release SET document = replace(document, 'Be kind.', 'Be rude.')")
        )

    world.database.write_now(edit)
    with pytest.raises(ReleaseAltered):
        world.read(lambda connection: world.catalog.release(connection, of.name))


# --- Names and lists ------------------------------------------------------------------------------


def test_a_release_is_found_by_name_and_by_digest(world: World) -> None:
    of = release()
    deployed(world, of)

    def resolved(ref: str, agent: str | None = None) -> Digest:
        return world.read(lambda connection: world.catalog.resolve(connection, ref, agent))

    assert resolved("support@1") == resolved(str(of.name)) == of.name
    assert resolved("support@1", "support") == of.name
    with pytest.raises(ReleaseOfOther):
        resolved("support@1", "billing")
    for absent in ("support@2", "billing@1", str(Digest.of(b"x")), "support@999999999"):
        with pytest.raises(ReleaseUnknown):
            resolved(absent)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(ref=st.one_of(st.text(max_size=80), st.from_regex(r"[a-z.]+@[0-9-]+", fullmatch=True)))
def test_any_other_text_names_no_release(
    ref: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    with Database.open(f"sqlite:///{folder / 'control.db'}") as database:
        world = World(database, folder)
        with pytest.raises((ReleaseNameMalformed, ReleaseUnknown)):
            world.read(lambda connection: world.catalog.resolve(connection, ref))


def test_a_list_goes_on_where_it_stopped_though_new_releases_come(world: World) -> None:
    for number in range(7):
        deployed(world, release(prompt=str(number)))
    seen: list[str] = []
    after: str | None = None

    def page(connection: Connection) -> tuple[KnownRelease, ...]:
        return world.catalog.releases(connection, None, after, 3)

    while found := world.read(page):
        seen += [each.name for each in found]
        after = found[-1].id
        deployed(world, release(prompt=f"new {len(seen)}"))
    assert seen == [f"support@{number}" for number in range(7, 0, -1)]


def test_the_difference_of_two_releases_is_every_field(world: World) -> None:
    old, new = release(prompt="one"), release(prompt="two")
    for each in (old, new):
        deployed(world, each)
    (change,) = world.read(
        lambda connection: world.catalog.difference(connection, old.name, new.name)
    )
    assert (change.address, change.change) == ("prompt/system", Change.CHANGED)
    assert [(each.path, each.before, each.after) for each in change.fields] == [
        ("text", "one", "two")
    ]
    whole = world.read(lambda connection: world.catalog.difference(connection, None, new.name))
    assert {each.change for each in whole} == {Change.ADDED}


def test_what_an_agent_is_said_to_be_is_kept_until_something_else_is_said(world: World) -> None:
    deployed(world, release(), owner="Ada", description="Helps.")
    deployed(world, release(prompt="2"))
    (agent,) = world.read(world.catalog.agents)
    assert (agent.owner, agent.description, agent.latest) == ("Ada", "Helps.", 2)
    deployed(world, release(), owner="Grace")
    (agent,) = world.read(world.catalog.agents)
    assert (agent.owner, agent.description, agent.latest) == ("Grace", "Helps.", 2)
