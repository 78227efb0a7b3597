"""Releases and blobs over HTTP."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.contract.releases.release import opened
from seatrial.contract.switch.answers import Agents, Difference, ReleaseAnswer, Releases
from seatrial.contract.switch.api import Missing, Permission, ReleaseRow
from seatrial.control.catalog import api
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from seatrial.kit.http.asgi import Message
from tests.contract.making import release
from tests.control.catalog.served import Served
from tests.control.catalog.world import LARGEST, wait
from tests.kit.http.peers import (
    Answer,
    call,
    connected,
    eventually,
    exchange,
    port_of,
    scope,
    serving,
    silence,
)

BLOB = bytes(range(256)) * 2_800  # 700 kB
NAMED = Digest.of(BLOB)


@pytest.fixture
def served(sqlite_url: str, tmp_path: Path) -> Iterator[Served]:
    with Database.open(sqlite_url) as database:
        yield Served(database, tmp_path)


def files(served: Served) -> list[Path]:
    return [path for path in served.world.folder.rglob("*") if path.is_file()]


# --- Releases -------------------------------------------------------------------------------------


def test_a_release_goes_in_and_comes_out_for_people_and_cells(served: Served) -> None:
    wait(served.world.ready())
    of, deployer = release(), served.token(Permission.DEPLOY)
    request = served.world.request(of, owner="Ada").document()
    answer = served.ask("POST", "/v1/releases", deployer, request)
    assert answer.status == 201
    row = ReleaseRow.read(answer.json)
    assert (row.name, row.release, row.author, row.active) == ("support@1", of.name, "Ada", ())
    assert ReleaseRow.read(served.ask("POST", "/v1/releases", deployer, request).json) == row
    served.active[of.name] = ("staging",)
    for token in (deployer, served.cell()):
        for ref in ("support@1", str(of.name)):
            found = ReleaseAnswer.read(served.ask("GET", f"/v1/releases/{ref}", token).json)
            assert opened(found.release, of.name) == of
            assert found.row.active == ("staging",)
            assert found.provenance == (request["provenance"],)
    agents = Agents.read(served.ask("GET", "/v1/agents", deployer).json).agents
    assert [(each.agent, each.owner, each.latest) for each in agents] == [("support", "Ada", 1)]


def test_a_list_is_read_page_by_page(served: Served) -> None:
    wait(served.world.ready())
    token = served.token(Permission.DEPLOY)
    for number in range(5):
        request = served.world.request(release(prompt=str(number))).document()
        assert served.ask("POST", "/v1/releases", token, request).status == 201
    names: list[str] = []
    path = "/v1/releases?agent=support&limit=2"
    page = Releases.read(served.ask("GET", path, token).json)
    while True:
        names += [row.name for row in page.releases]
        if page.next is None:
            break
        page = Releases.read(served.ask("GET", f"{path}&after={page.next}", token).json)
    assert names == [f"support@{number}" for number in (5, 4, 3, 2, 1)]
    assert served.ask("GET", "/v1/releases?agent=billing", token).json == {"releases": []}


def test_the_difference_is_shown_by_names(served: Served) -> None:
    wait(served.world.ready())
    token = served.token(Permission.DEPLOY)
    for prompt in ("one", "two"):
        request = served.world.request(release(prompt=prompt)).document()
        served.ask("POST", "/v1/releases", token, request)
    answer = served.ask("GET", "/v1/releases/support@1/difference/support@2", token)
    shown = Difference.read(answer.json)
    (component,) = shown.components
    assert component.address == "prompt/system"
    assert [(each.path, each.before, each.after) for each in component.fields] == [
        ("text", "one", "two")
    ]
    whole = served.ask("GET", "/v1/releases/nothing/difference/support@1", token)
    assert len(Difference.read(whole.json).components) == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/releases/support@1", 404, "release_unknown"),
        ("/v1/releases/support@0", 400, "release_name_malformed"),
        ("/v1/releases/..", 400, "release_name_malformed"),
        ("/v1/releases/sha256:x", 400, "release_name_malformed"),
        ("/v1/releases/nothing/difference/support@9", 404, "release_unknown"),
        ("/v1/releases?limit=0", 400, "request_invalid"),
        ("/v1/releases?limit=501", 400, "request_invalid"),
        ("/v1/releases?after='--", 400, "request_invalid"),
        ("/v1/releases?agent=A", 400, "request_invalid"),
        ("/v1/blobs/sha256:..%2f", 400, "digest_malformed"),
        ("/v1/blobs/../../etc/passwd", 404, "path_unknown"),
        (f"/v1/blobs/{NAMED}", 404, "blob_missing"),
    ],
)
def test_what_is_not_there_is_told(served: Served, path: str, status: int, code: str) -> None:
    answer = served.ask("GET", path, served.token(Permission.READ))
    assert (answer.status, answer.json["code"]) == (status, code)


def test_who_may_not_deploy_sends_no_release_and_no_blob(served: Served) -> None:
    wait(served.world.ready())
    request = served.world.request(release()).document()
    before = files(served)
    for token, status in (
        (None, 401),
        (served.cell(), 401),
        (served.token(Permission.READ, Permission.PROMOTE, Permission.ADMIN), 403),
    ):
        assert served.ask("POST", "/v1/releases", token, request).status == status
        assert served.ask("PUT", f"/v1/blobs/{NAMED}", token, BLOB).status == status
    assert files(served) == before


def test_a_cell_off_the_keyring_is_given_nothing(served: Served) -> None:
    wait(served.world.ready())
    token = served.token(Permission.DEPLOY)
    served.ask("POST", "/v1/releases", token, served.world.request(release()).document())
    served.ask("PUT", f"/v1/blobs/{NAMED}", token, BLOB)
    cell = served.cell(listed=False)
    for path in ("/v1/releases/support@1", f"/v1/blobs/{NAMED}"):
        answer = served.ask("GET", path, cell)
        assert (answer.status, answer.json["code"]) == (403, "cell_unlisted")


def test_a_blob_that_stalls_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_STALL", 0.05)
    token = served.token(Permission.DEPLOY)
    headers = [(b"authorization", f"Bearer {token}".encode())]

    async def main() -> Answer:
        begun = False

        async def stalling() -> Message:
            nonlocal begun
            if begun:
                return await silence()
            begun = True
            return {"type": "http.request", "body": BLOB[:9], "more_body": True}

        return await call(served.app, scope("PUT", f"/v1/blobs/{NAMED}", headers), stalling)

    answer = wait(main())
    assert (answer.status, answer.json["code"]) == (408, "upload_stalled")
    assert files(served) == []


# --- Blobs ----------------------------------------------------------------------------------------


def test_a_blob_goes_in_and_comes_out_for_people_and_cells(served: Served) -> None:
    deployer = served.token(Permission.DEPLOY)
    asked = {"digests": [str(NAMED), str(Digest.of(b""))]}
    missing = Missing.read(served.ask("POST", "/v1/blobs/missing", deployer, asked).json)
    assert missing.digests == (NAMED, Digest.of(b""))
    assert served.ask("PUT", f"/v1/blobs/{NAMED}", deployer, BLOB).status == 204
    assert served.ask("PUT", f"/v1/blobs/{Digest.of(b'')}", deployer, b"").status == 204
    for token in (deployer, served.cell()):
        answer = served.ask("GET", f"/v1/blobs/{NAMED}", token)
        assert answer.status == 200
        assert answer.body == BLOB
        assert answer.headers[b"content-length"] == b"%d" % len(BLOB)
        head = served.ask("HEAD", f"/v1/blobs/{NAMED}", token)
        assert (head.status, head.body) == (200, b"")
        assert head.headers[b"content-length"] == b"%d" % len(BLOB)
    assert served.ask("POST", "/v1/blobs/missing", deployer, asked).json == {"digests": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(BLOB[:-1], 400, "upload_altered"), (b"x" * (LARGEST + 1), 413, "upload_too_large")],
)
def test_a_blob_that_is_another_leaves_nothing(
    served: Served, body: bytes, status: int, code: str
) -> None:
    answer = served.ask("PUT", f"/v1/blobs/{NAMED}", served.token(Permission.DEPLOY), body)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert files(served) == []


def test_a_question_for_too_many_blobs_is_refused(served: Served) -> None:
    asked = {"digests": [str(NAMED)] * 2_001}
    answer = served.ask("POST", "/v1/blobs/missing", served.token(Permission.READ), asked)
    assert (answer.status, answer.json["code"]) == (400, "request_invalid")


def test_over_a_real_connection_a_cut_upload_leaves_nothing_and_a_whole_one_stays(
    served: Served,
) -> None:
    token = served.token(Permission.DEPLOY)
    put = (
        f"PUT /v1/blobs/{NAMED} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(BLOB)}\r\n\r\n"
    ).encode()
    get = put.replace(b"PUT", b"GET").replace(b"Content-Length: %d\r\n" % len(BLOB), b"")

    async def main() -> None:
        async with serving(served.app) as server:
            async with connected(port_of(server)) as (_, writer):
                writer.write(put + BLOB[:300_000])
                await writer.drain()
                await eventually(lambda: bool(files(served)))
            await eventually(lambda: not files(served))
            assert (await exchange(port_of(server), put + BLOB)).startswith(b"HTTP/1.1 204")
            answer = await exchange(port_of(server), get)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert body == BLOB

    asyncio.run(main())
    assert len(files(served)) == 1


def test_a_blob_that_shrinks_while_it_is_sent_cuts_the_answer(served: Served) -> None:
    token = served.token(Permission.DEPLOY)
    served.ask("PUT", f"/v1/blobs/{NAMED}", token, BLOB)
    (file,) = files(served)
    get = (
        f"GET /v1/blobs/{NAMED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    read = served.world.blobs.open

    async def main() -> None:
        async def opened_and_cut(digest: Digest) -> object:
            blob = await read(digest)
            os.truncate(file, 300_000)
            return blob

        served.world.blobs.open = opened_and_cut  # type: ignore[method-assign,assignment]
        async with serving(served.app) as server:
            answer = await exchange(port_of(server), get)
        assert answer.startswith(b"HTTP/1.1 200")
        assert len(answer.partition(b"\r\n\r\n")[2]) < len(BLOB)

    asyncio.run(main())
