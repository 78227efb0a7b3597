"""Which app answers which path: a dictionary for fixed paths, a short list for patterns."""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from seatrial.kit.errors import Invalid, NotFound
from seatrial.kit.http.asgi import App, Receive, Scope, Send

_HOLE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}\Z")
_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN: Final = re.compile(r"[/\\\x00-\x1f\x7f]")
_KEY: Final = "seatrial.path"
_Methods: TypeAlias = dict[str, tuple[App, tuple[str, ...]]]
_Shape: TypeAlias = tuple[str | None, ...]  # None is a hole


class PathUnknown(NotFound):
    """Nothing is served at {path!r}."""

    code = "path_unknown"
    cause = "No endpoint of this server has that path."
    remedy = "Compare the path with the API reference; a slash at the end counts."


class PathMalformed(Invalid):
    """The path is malformed: {reason}."""

    code = "path_malformed"
    cause = "A path that can be read in two ways is refused, not tidied up."
    remedy = "Percent-encode each segment once, as UTF-8; leave out `.`, `..` and empty segments."


class MethodRefused(Invalid):
    """{path!r} does not answer {method}; it answers {allowed}."""

    code = "method_refused"
    cause = "The path is served, but for other methods."
    remedy = "Use one of the methods that the header `Allow` lists."
    status = 405

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The methods that are answered."""
        return [(b"allow", self.fields["allowed"].encode())]


class Routes:
    """An app that hands each request to the app of its method and path.

    A pattern is a path whose segments may be holes: `/agents/{name}`. A hole takes one segment,
    whole and not empty. A fixed path beats a pattern; between patterns, the one whose first
    differing segment is fixed wins. HEAD goes where GET goes.

    The path is split at its slashes before it is decoded, so an escape cannot move a border.
    Refused: a bad escape, bytes that are not UTF-8, an encoded slash or backslash, control
    characters, and segments that are empty, `.` or `..`, encoded or not.

    Args:
        table: method, path, app.
    """

    def __init__(self, table: Iterable[tuple[str, str, App]]) -> None:
        self._fixed: dict[bytes, _Methods] = {}
        self._patterns: dict[int, list[tuple[_Shape, _Methods]]] = {}
        patterns: dict[_Shape, _Methods] = {}
        for method, path, app in table:
            shape, names = _parsed(path)
            if names:
                methods = patterns.setdefault(shape, {})
            else:
                methods = self._fixed.setdefault(path.encode(), {})
            if method in methods:
                raise ValueError(f"{method} {path} is routed twice")
            methods[method] = (app, names)
        for shape in sorted(patterns, key=lambda shape: [part is None for part in shape]):
            self._patterns.setdefault(len(shape), []).append((shape, patterns[shape]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or raise the error that tells why not."""
        raw: bytes = scope["raw_path"]
        found = self._fixed.get(raw)
        values: tuple[str, ...] = ()
        if found is None:
            found, values = self._search(raw)
        method: str = scope["method"]
        entry = found.get(method) or (found.get("GET") if method == "HEAD" else None)
        if entry is None:
            allowed = ", ".join(sorted({*found, "HEAD"} if "GET" in found else found))
            raise MethodRefused(path=_shown(raw), method=method, allowed=allowed)
        app, names = entry
        scope[_KEY] = dict(zip(names, values, strict=True))
        await app(scope, receive, send)

    def _search(self, raw: bytes) -> tuple[_Methods, tuple[str, ...]]:
        segments = _segments(raw)
        fixed = self._fixed.get("/".join(["", *segments]).encode())
        if fixed is not None:
            return fixed, ()
        for shape, methods in self._patterns.get(len(segments), ()):
            pairs = list(zip(shape, segments, strict=True))
            if all(part == segment or (part is None and segment) for part, segment in pairs):
                return methods, tuple(segment for part, segment in pairs if part is None)
        raise PathUnknown(path=_shown(raw))


def path_values(scope: Scope) -> dict[str, str]:
    """What the holes of the matched pattern took, by name."""
    found: dict[str, str] = scope[_KEY]
    return found


def _parsed(path: str) -> tuple[_Shape, tuple[str, ...]]:
    if not path.startswith("/"):
        raise ValueError(f"path {path!r} does not begin with a slash")
    segments = path.split("/")[1:]
    holes = [_HOLE.match(segment) for segment in segments]
    names = tuple(hole[1] for hole in holes if hole)
    if len(set(names)) != path.count("{"):
        raise ValueError(f"path {path!r} has a malformed or repeated hole")
    return tuple(None if hole else s for hole, s in zip(holes, segments, strict=True)), names


def _segments(raw: bytes) -> list[str]:
    if _ESCAPE.search(raw):
        raise PathMalformed(reason="a % is not followed by two hexadecimal digits")
    try:
        segments = [unquote_to_bytes(part).decode() for part in raw.split(b"/")[1:]]
    except UnicodeDecodeError:
        raise PathMalformed(reason="it is not UTF-8") from None
    for segment in segments[:-1] if segments[-1:] == [""] else segments:
        if segment in {"", ".", ".."}:
            raise PathMalformed(reason=f"it has the segment {segment!r}")
        if _FORBIDDEN.search(segment):
            raise PathMalformed(reason="a segment holds a slash, backslash or control character")
    return segments


def _shown(raw: bytes) -> str:
    return raw.decode("latin-1")
