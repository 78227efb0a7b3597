"""Control's API over the first rooms, asked in memory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import CellEntry, CellReplica, sign_keyring
from seatrial.contract.switch.api import (
    EnrolmentTokenRequest,
    EnrolRequest,
    Permission,
    TokenRequest,
)
from seatrial.control.catalog import api as catalog_api
from seatrial.control.environments import api as environments_api
from seatrial.control.identity import api as identity_api
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.main.control_access import Access
from seatrial.main.control_app import control_app
from tests.control.catalog.world import ADA, World, wait
from tests.kit.http.peers import Answer, body_of, call, scope

TYPE = (b"content-type", b"application/json")


class Served:
    """The app, and who may ask what."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.world = World(database, folder)
        self.active: dict[Digest, tuple[str, ...]] = {}
        world = self.world
        access = Access(world.identity, world.environments)
        routers = [
            identity_api.router(world.identity, access.guard),
            environments_api.router(
                world.environments,
                database,
                access.guard,
                access.newcomer,
                [world.crew.control.id],
            ),
            catalog_api.router(
                world.catalog, database, access.guard, access.reader, self._activity
            ),
        ]
        self.app = control_app(routers, world.ids, version="0")

    def _activity(self, _: Connection) -> Mapping[Digest, tuple[str, ...]]:
        return self.active

    def token(self, *permissions: Permission) -> str:
        """A token that may do `permissions`."""
        request = TokenRequest(name="test", permissions=permissions)
        row = wait(self.world.identity.make(request, ADA))
        assert row.token
        return row.token

    def cell(self, *, listed: bool = True) -> str:
        """The token of an enrolled cell, which the keyring lists or not."""
        invited = EnrolmentTokenRequest(cell="staging", environment="staging")
        token = wait(self.world.environments.invite(invited, ADA)).token
        request = EnrolRequest(
            token=token,
            signing=SigningKey.generate().id,
            sealing=OpeningKey.generate().id,
            url="http://127.0.0.1:1",
            profile=Profile.SOLO,
        )
        answer = wait(self.world.environments.enrol(request))
        if listed:
            self._list(request)
        return answer.token

    def _list(self, request: EnrolRequest) -> None:
        """Put a keyring in force that lists the process, beside all that the last one lists."""
        found = self.world.read(self.world.environments.keyring)
        before = found[0] if found is not None else self.world.crew.keyring()
        replica = CellReplica(signing=request.signing, sealing=request.sealing)
        kept = tuple(each for each in before.cells if each.name != "staging")
        cell = CellEntry(name="staging", environment="staging", region="local", replicas=(replica,))
        keyring = before.model_copy(update={"version": before.version + 1, "cells": (*kept, cell)})
        signed = sign_keyring(keyring, self.world.crew.root).decode()
        wait(self.world.environments.put_keyring(signed, ADA))

    def ask(self, method: str, path: str, token: str | None = None, body: object = None) -> Answer:
        """The answer to one request; `body` is JSON, or bytes as they are."""
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        raw = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        if raw and not isinstance(body, bytes):
            headers.append(TYPE)
        path, _, query = path.partition("?")
        request = scope(method, path, headers, query.encode())
        return wait(call(self.app, request, body_of(raw)))


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
