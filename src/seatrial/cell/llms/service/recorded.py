"""Telling an agent an answer that is recorded."""

from typing import Final

from seatrial.cell.journal.domain.records import Body
from seatrial.kit.http.answers import answer
from seatrial.kit.http.asgi import Send
from seatrial.kit.http.events import MEDIA_TYPE

HOW: Final = b"x-seatrial-answer"
"""Header of an answer from the record: `recorded`, `approximate`, or `attached`."""

RETRY: Final = "x-should-retry"
_PART: Final = 64 << 10  # bytes of a stream that are sent at once


def is_stream(media: str) -> bool:
    """Whether an answer of this content type comes in parts."""
    return media.partition(";")[0].strip().lower().encode() == MEDIA_TYPE


async def tell(send: Send, body: Body, how: str) -> None:
    """Send an answer as it was: status, content type and bytes."""
    headers = [(HOW, how.encode())]
    if body.retry is not None:
        headers.append((RETRY.encode(), body.retry.encode("latin-1")))
    media, status = body.media.encode("latin-1"), body.status or 200
    if not is_stream(body.media):
        await answer(send, body.content, content_type=media, status=status, headers=headers)
        return
    start = [(b"content-type", media), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    for at in range(0, len(body.content), _PART):
        part = body.content[at : at + _PART]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
