"""Where definitions come from: a text, a file, a server, or whatever fits the port."""

import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Final, Protocol
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

_PATIENCE: Final = 5.0  # seconds that `close` waits for the watching thread


class Source(Protocol):
    """A place that holds a definition and tells of newer ones."""

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """Begin: call one of the two before returning, and again whenever something changes.

        Args:
            deliver: takes the definition's text.
            trouble: takes the reason why there is none, or no newer one, to be had.
        """
        ...

    def close(self) -> None:
        """Stop. No call comes after this returns; `open` may follow."""
        ...


class TextSource:
    """A definition that never changes, for tests and for flags that are built into a program."""

    def __init__(self, text: str | bytes) -> None:
        self._text = text.encode() if isinstance(text, str) else text

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """See `Source.open`."""
        del trouble
        deliver(self._text)

    def close(self) -> None:
        """See `Source.close`."""


class _Polled:
    """A place that is looked at again every `poll_seconds` by a thread of its own.

    It is compared by content. A process that forks opens it in the child.
    """

    def __init__(self, poll_seconds: float) -> None:
        if not poll_seconds > 0:
            raise ValueError(
                f"poll_seconds is {poll_seconds!r}; sources are read at intervals above 0"
            )
        self._poll_seconds = poll_seconds
        self._seen: bytes | str | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """See `Source.open`."""
        self.close()
        self._seen, self._closing = None, threading.Event()
        self._look(deliver, trouble)
        self._thread = threading.Thread(
            target=self._watch,
            args=(self._closing, deliver, trouble),
            name="seatrial-flags",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """See `Source.close`."""
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _found(self) -> bytes | str:
        """The definition's text, or why it cannot be had."""
        raise NotImplementedError

    def _watch(
        self,
        closing: threading.Event,
        deliver: Callable[[bytes], None],
        trouble: Callable[[str], None],
    ) -> None:
        while not closing.wait(self._poll_seconds):
            self._look(deliver, trouble)

    def _look(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        found = self._found()
        if found == self._seen:
            return
        self._seen = found
        if isinstance(found, bytes):
            deliver(found)
        else:
            trouble(found)


class FileSource(_Polled):
    """A file, read again every `poll_seconds`.

    Any way to write it is seen; renaming a finished file over it is the best, for then no half of
    it can be read.
    """

    def __init__(self, path: str | Path, *, poll_seconds: float = 1.0) -> None:
        super().__init__(poll_seconds)
        self._path = Path(path)

    def _found(self) -> bytes | str:
        try:
            return self._path.read_bytes()
        except OSError as fault:
            return f"The flag file {str(self._path)!r} cannot be read: {fault.strerror or fault}."


class UrlSource(_Polled):
    """A definition served over HTTP, asked for again every `poll_seconds`, by its ETag.

    An answer that is not 200 or 304, that is larger than `largest` bytes, or that does not come
    within `patience` seconds is trouble; the last good definition goes on serving. Redirects are
    not followed: they could carry the token elsewhere.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        poll_seconds: float = 5.0,
        patience: float = 5.0,
        largest: int = 16 * 1024 * 1024,
    ) -> None:
        super().__init__(poll_seconds)
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r} is neither http nor https")
        self._url = url
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._patience = patience
        self._largest = largest
        self._kept: tuple[str, bytes] | None = None
        self._opener = build_opener(_NoRedirects)

    def _found(self) -> bytes | str:
        headers = dict(self._headers)
        if self._kept is not None:
            headers["If-None-Match"] = self._kept[0]
        request = Request(self._url, headers=headers)  # noqa: S310 - http or https, checked above
        try:
            with self._opener.open(request, timeout=self._patience) as answer:
                text: bytes = answer.read(self._largest + 1)
                etag = answer.headers.get("ETag")
        except HTTPError as fault:
            with fault:
                if fault.code == 304 and self._kept is not None:
                    return self._kept[1]
                return f"The flags at {self._url!r} are not to be had: status {fault.code}."
        except (OSError, HTTPException) as fault:
            return f"The flags at {self._url!r} are not to be had: {fault}."
        if len(text) > self._largest:
            return f"The flags at {self._url!r} are larger than {self._largest} bytes."
        self._kept = (etag, text) if etag else None
        return text


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
