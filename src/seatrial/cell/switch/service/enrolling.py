"""Who this process is: keys of its own, and its enrolment with control, each made once."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from seatrial.cell.switch.domain import EnrolmentMismatched, EnrolmentMissing
from seatrial.cell.switch.service.calling import enrol
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Possession
from seatrial.contract.switch.api import EnrolAnswer, EnrolRequest
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.keyfiles import KeyFileExposed, load_or_create
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import SeatrialError
from seatrial.kit.files import write_private
from seatrial.kit.http.client import HttpClient

_ENROLMENT: Final = "enrolment.json"
_LARGEST: Final = 16_384  # bytes of a file of ours
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OwnKeys:
    """The private keys of this process; they never leave its folder.

    Attributes:
        signing: signs what it says.
        opening: opens what is sealed to it.
    """

    signing: SigningKey
    opening: OpeningKey


def own_keys(folder: Path) -> OwnKeys:
    """The keys in `folder`, made now if there are none. Raises as `keyfiles.load_or_create`."""
    return OwnKeys(
        signing=load_or_create(SigningKey, folder / "signing.pem"),
        opening=load_or_create(OpeningKey, folder / "sealing.pem"),
    )


@dataclass(frozen=True, kw_only=True)
class Application:
    """What is needed to be enrolled.

    Attributes:
        folder: of this process, for what control answers.
        token_file: where the one-use token lies; it is removed once it is used.
        control: control's URL.
        url: where callers find the cell.
        cell: its name by its settings.
        environment: its environment by its settings.
        profile: of the rules that it starts with.
    """

    folder: Path
    token_file: Path
    control: str
    url: str
    cell: str
    environment: str
    profile: Profile


def known_enrolment(application: Application) -> EnrolAnswer | None:
    """What control answered once; None before.

    Raises:
        EnrolmentMismatched: the settings name another cell or environment.
        KeyFileExposed: others can read it.
        DocumentInvalid: the file was edited.
    """
    path = application.folder / _ENROLMENT
    if not path.exists():
        return None
    try:
        value = orjson.loads(_private(path))
    except ValueError:
        value = None
    return _matching(EnrolAnswer.read(value), application)


async def enrolled(client: HttpClient, application: Application, keys: OwnKeys) -> EnrolAnswer:
    """What control answers to the enrolment of this process, now or at an earlier start.

    A token that lies there is used even if the process is enrolled: so a lost enrolment is mended.

    Raises:
        EnrolmentMissing: there is no token.
        SeatrialError: control cannot be reached, or refuses.
    """
    known = known_enrolment(application)
    if not application.token_file.exists():
        if known is None:
            raise EnrolmentMissing(path=str(application.token_file))
        return known
    try:
        answer = await _enrolled(client, application, keys)
    except SeatrialError as error:
        if known is None:
            raise
        _LOG.warning("the token in %s brings nothing new: %s", application.token_file, error)
        return known
    application.token_file.unlink(missing_ok=True)
    _LOG.info("enrolled as %s, key %s", answer.cell, keys.signing.verify_key.short)
    return answer


async def _enrolled(client: HttpClient, application: Application, keys: OwnKeys) -> EnrolAnswer:
    token = _private(application.token_file).decode(errors="replace").strip()[:200]
    held = Possession(sealing=keys.opening.id)
    asked = EnrolRequest(
        token=token,
        signing=keys.signing.id,
        sealing=keys.opening.id,
        url=application.url,
        profile=application.profile,
        proof=held.signed(Digest.of(token.encode()), "token", keys.signing).decode(),
    )
    answer = _matching(await enrol(client, application.control, asked), application)
    write_private(application.folder / _ENROLMENT, orjson.dumps(answer.document()))
    return answer


def _matching(answer: EnrolAnswer, application: Application) -> EnrolAnswer:
    found = (answer.cell, answer.environment)
    wanted = (application.cell, application.environment)
    if found != wanted:
        raise EnrolmentMismatched(found=" of ".join(found), wanted=" of ".join(wanted))
    return answer


def _private(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise KeyFileExposed(path=str(path), reason="others can read it")
    with path.open("rb") as file:
        return file.read(_LARGEST)
