"""Masks in a process of its own: three seconds of CPU for 100,000 records, and none of the cell's.

What it is told goes through a pipe, never by command line or environment, which others can read.
The same pipe is its leash: when the cell's end closes, however the cell came to its own, it ends.
"""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from seatrial.cell.assess.domain.masking import (
    Answer,
    Masked,
    MaskingBounds,
    MaskingBroke,
    Material,
    Refused,
)
from seatrial.cell.hosts.service.processes import spoken
from seatrial.data.domain import DataExtraMissing
from seatrial.kit.errors import SeatrialError, catalogue

_LARGEST: Final = 128 << 20  # bytes of an answer; a fixture has half of that at most
_PIECE: Final = 1 << 16


class MaskingProcess:
    """Starts one process for each fixture.

    Args:
        module: what is run; it takes the bytes of memory that it may have.
        environment: all of its environment; it holds no secret.
        bounds: see there.
    """

    def __init__(self, module: str, environment: Mapping[str, str], bounds: MaskingBounds) -> None:
        self._module = module
        self._environment = dict(environment)
        self._bounds = bounds

    async def __call__(self, material: Material) -> Masked:
        """Mask and verify.

        Raises:
            MaskingBroke: the process died, had a defect, or met a bound.
            SeatrialError: see `data.fixtures.making.make`.
        """
        try:
            return _read(material.run, await self._said(material))
        finally:  # what a process that was killed has left there
            await asyncio.to_thread(shutil.rmtree, material.work, ignore_errors=True)

    async def _said(self, material: Material) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self._module, str(self._bounds.memory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a library's own words may quote a value
            env=self._environment,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._bounds.seconds):
                said = await _exchanged(process, material)
                status = await process.wait()
        except TimeoutError:
            reason = f"it took longer than {self._bounds.seconds:g} s"
            raise MaskingBroke(run=material.run, reason=reason) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if status:
            raise MaskingBroke(run=material.run, reason=spoken(status))
        return said


async def _exchanged(process: asyncio.subprocess.Process, material: Material) -> bytes:
    """Tell it what to do, and hear what came of it; its standard input stays open."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # it is dead, as its status says
        process.stdin.write(material.model_dump_json().encode() + b"\n")
        await process.stdin.drain()
    said = bytearray()
    while len(said) <= _LARGEST and (piece := await process.stdout.read(_PIECE)):
        said += piece
    return bytes(said)


def _read(run: str, said: bytes) -> Masked:
    try:
        answer = Answer.model_validate_json(said)
    except ValidationError:
        raise MaskingBroke(run=run, reason="it answered nothing that can be read") from None
    if answer.refused is not None:
        raise _error(run, answer.refused)
    if answer.missing is not None:
        raise DataExtraMissing(package=answer.missing)
    if answer.masked is None:
        raise MaskingBroke(run=run, reason=answer.broke or "it answered nothing")
    return answer.masked


def _error(run: str, refused: Refused) -> SeatrialError:
    """The error that it met, as itself."""
    for each in catalogue():
        if each.code == refused.code:
            return each(**refused.fields)
    return MaskingBroke(run=run, reason=f"it met the error {refused.code!r}")
