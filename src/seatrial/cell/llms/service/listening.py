"""Giving up what nobody listens to any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from seatrial.kit.http.asgi import Receive
from seatrial.kit.http.requests import ClientGone, gone


@dataclass(kw_only=True, slots=True)
class Listener:
    """Who listens.

    Attributes:
        left: it is gone. A cancellation that the block meets is for this; after the block, nobody
            has waited for what it made.
    """

    left: bool = False


@contextlib.asynccontextmanager
async def while_listening(receive: Receive) -> AsyncIterator[Listener]:
    """Cut the block off, with `ClientGone`, as soon as the client is gone.

    The request's body must have been read.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("only a task can be cut off")
    before = task.cancelling()
    listener, over, struck = Listener(), False, False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal struck
        if not over:  # a callback that is on its way cannot be taken back
            listener.left = struck = True
            task.cancel()

    watch = asyncio.create_task(gone(receive))
    watch.add_done_callback(leave)
    try:
        yield listener
    except asyncio.CancelledError:
        if struck and task.uncancel() <= before:
            struck = False
            raise ClientGone from None
        raise
    finally:
        over = True
        listener.left = watch.done()  # though its callback has not run
        watch.cancel()
        if struck:  # cut off too late: take it back before it strikes elsewhere
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            task.uncancel()
