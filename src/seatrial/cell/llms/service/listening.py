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
        left: it is gone: a cancellation that the block meets is for this.
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
    listener, over = Listener(), False

    def leave(_: asyncio.Task[None]) -> None:
        if not over:  # a callback that is on its way cannot be taken back
            listener.left = True
            task.cancel()

    watch = asyncio.create_task(gone(receive))
    watch.add_done_callback(leave)
    try:
        yield listener
    except asyncio.CancelledError:
        if listener.left and task.uncancel() <= before:
            listener.left = False
            raise ClientGone from None
        raise
    finally:
        over = True
        watch.cancel()
        if listener.left:  # cut off too late: take it back before it strikes elsewhere
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            task.uncancel()
