"""Giving up what nobody listens to any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from seatrial.kit.http.asgi import Receive
from seatrial.kit.http.requests import ClientGone, gone


@contextlib.asynccontextmanager
async def while_listening(receive: Receive) -> AsyncIterator[None]:
    """Cut the block off, with `ClientGone`, as soon as the client is gone.

    The request's body must have been read.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("only a task can be cut off")
    before = task.cancelling()
    left = over = False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal left
        if not over:  # a callback that is on its way cannot be taken back
            left = True
            task.cancel()

    watch = asyncio.create_task(gone(receive))
    watch.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        if left and task.uncancel() <= before:
            left = False
            raise ClientGone from None
        raise
    finally:
        over = True
        watch.cancel()
        if left:  # cut off too late: take the cancellation back before it strikes elsewhere
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            task.uncancel()
