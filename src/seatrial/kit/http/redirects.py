"""Redirects, for callers that ask: a few, for reading only, and no secret is carried along."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

from seatrial.kit.errors import BadUpstream
from seatrial.kit.http.client import AnswerBroken, HttpClient, Request, Response, first_header

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_HARMLESS: Final = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})


class RedirectedTooOften(BadUpstream):
    """{url} was still redirected after {most} steps."""

    code = "redirected_too_often"
    cause = "The server sends its callers round in a circle, or through a long chain."
    remedy = "Call the last address directly."


@contextlib.asynccontextmanager
async def followed(
    client: HttpClient, request: Request, *, most: int = 5
) -> AsyncIterator[Response]:
    """The answer of `request`, or of where it leads, inside `async with`.

    Only GET and HEAD are followed. From `https` only to `https`. Another origin gets none of the
    headers but `accept*` and `user-agent`: what else may be a secret, nobody knows.

    Raises:
        RedirectedTooOften: after `most` redirects there was another one.
        AnswerBroken: a redirect leads nowhere, or from `https` to `http`.
        CallMalformed: it leads to a URL that we do not call; see `kit.http.client`.
    """
    first = request.url
    for _ in range(most + 1):
        async with client.send(request) as response:
            onward = _onward(request, response)
            if onward is None:
                yield response
                return
        request = onward
    raise RedirectedTooOften(url=_origin(first), most=most)


def _onward(request: Request, response: Response) -> Request | None:
    if response.status not in _STATUSES or request.method not in {"GET", "HEAD"}:
        return None
    location = first_header(response.headers, "location")
    if location is None:
        raise AnswerBroken(peer=_origin(request.url), reason="it redirects without saying where")
    url = urldefrag(urljoin(request.url, location)).url
    if request.url.startswith("https:") and not url.startswith("https:"):
        raise AnswerBroken(peer=_origin(request.url), reason="it redirects away from https")
    if _origin(url) == _origin(request.url):
        return replace(request, url=url)
    harmless = tuple(pair for pair in request.headers if pair[0].lower() in _HARMLESS)
    return replace(request, url=url, headers=harmless)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
