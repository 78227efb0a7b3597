"""The picture of the house: floors as bands, rooms as boxes, drawn from contract and docstrings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dev.reference.house import Room, floors, rooms
from dev.reference.page import Page
from dev.reference.svg import element, mono_width, width, wrap

_WIDTH: Final = 900
_MARGIN: Final = 24
_SIDE: Final = 44  # the column of the arrow
_BAND: Final = 10  # from a band's edge to its boxes
_GAP: Final = 10  # between boxes, and between bands
_PAD: Final = 14  # from a box's edge to its text
_NAME: Final = 15  # pixels, as all sizes of type below
_LINE: Final = 12.5
_CHIP: Final = 11.5
_LEADING: Final = 18
_CHIP_HEIGHT: Final = 21
_CHIP_PAD: Final = 8
_CHIP_GAP: Final = 6
_HALVES: Final = ("control", "cell")  # their rooms are shown inside
_HALF_WEIGHT: Final = 2.3  # a half is this much wider than its neighbours
_TITLE: Final = "The floors of Seatrial and the rooms on them"
_ARROW: Final = "imports go down only"
_CAPTION: Final = (
    "Rooms on one floor never import each other. "
    "Control and cells speak over HTTP, signed, in the words of contract."
)
_LIGHT: Final = {
    "page": "#ffffff",
    "edge": "#dfe5ed",
    "box": "#ffffff",
    "line": "#c3cedb",
    "text": "#14181f",
    "muted": "#4f5968",
    "accent": "#1c5f9e",
    "chip": "#eaf1f8",
    "top": "#f1f5f9",
    "ground": "#c9dcee",
}
_DARK: Final = {
    "page": "#0f1216",
    "edge": "#262d37",
    "box": "#191e26",
    "line": "#3a4656",
    "text": "#e7ebf1",
    "muted": "#a9b4c2",
    "accent": "#8ab8e6",
    "chip": "#243040",
    "top": "#161b22",
    "ground": "#1d3b57",
}
_SANS: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A room with its place; lines and chips are laid out for `wide` pixels."""

    room: Room
    left: float
    wide: float

    @property
    def lines(self) -> list[str]:
        return wrap(_plain(self.room.line), _LINE, self.wide - 2 * _PAD)

    @property
    def chips(self) -> list[list[str]]:
        if self.room.name not in _HALVES:
            return []
        names = [inner.name.rpartition(".")[2] for inner in self.room.inner]
        return _rows(names, self.wide - 2 * _PAD)

    @property
    def tall(self) -> float:
        chips = len(self.chips) * (_CHIP_HEIGHT + _CHIP_GAP)
        text = _PAD + _NAME + 4 + len(self.lines) * _LEADING
        return text + (chips + 6 if chips else 0) + _PAD - 4


def render() -> str:
    """The picture of this house."""
    return draw(floors(), {room.name: room for room in rooms()})


def draw(levels: Sequence[Sequence[str]], known: Mapping[str, Room]) -> str:
    """An SVG of the rooms on their floors, from the top down.

    Args:
        levels: the names of the rooms on each floor.
        known: each room by its name.
    """
    parts: list[str] = []
    top = float(_MARGIN)
    for number, names in enumerate(levels):
        boxes = _placed([known[name] for name in names])
        tall = max(box.tall for box in boxes)
        parts.append(_band(number, top, tall + 2 * _BAND))
        for box in boxes:
            parts += _box(box, top + _BAND, tall)
        top += tall + 2 * _BAND + _GAP
    bottom = top - _GAP
    parts += _arrow(_MARGIN, bottom)
    parts.append(_text(_MARGIN, bottom + 26, _CAPTION, "caption"))
    return _framed(parts, round(bottom + 26 + 18), len(levels))


def _placed(on_floor: Sequence[Room]) -> list[_Box]:
    weights = [_HALF_WEIGHT if room.name in _HALVES else 1 for room in on_floor]
    inside = _WIDTH - 2 * _MARGIN - _SIDE - 2 * _BAND - _GAP * (len(on_floor) - 1)
    left = float(_MARGIN + _BAND)
    boxes = []
    for room, weight in zip(on_floor, weights, strict=True):
        wide = inside * weight / sum(weights)
        boxes.append(_Box(room=room, left=left, wide=wide))
        left += wide + _GAP
    return boxes


def _band(number: int, top: float, tall: float) -> str:
    wide = _WIDTH - 2 * _MARGIN - _SIDE
    return _rectangle(_MARGIN, top, wide, tall, 10, f"floor{number}")


def _box(box: _Box, top: float, tall: float) -> Iterator[str]:
    short = box.room.name.rpartition(".")[2]
    style = "box half" if box.room.name in _HALVES else "box"
    yield _rectangle(box.left, top, box.wide, tall, 7, style)
    x, y = box.left + _PAD, top + _PAD + _NAME - 3
    yield _text(x, y, short, "name")
    y += 4
    for line in box.lines:
        y += _LEADING
        yield _text(x, y, line, "line")
    y += 12
    for row in box.chips:
        yield from _chips(row, x, y)
        y += _CHIP_HEIGHT + _CHIP_GAP


def _chips(names: list[str], x: float, y: float) -> Iterator[str]:
    for name in names:
        wide = mono_width(name, _CHIP) + 2 * _CHIP_PAD
        yield _rectangle(x, y, wide, _CHIP_HEIGHT, _CHIP_HEIGHT / 2, "chip")
        yield _text(x + wide / 2, y + _CHIP_HEIGHT - 6.5, name, "chiptext")
        x += wide + _CHIP_GAP


def _rows(names: list[str], room: float) -> list[list[str]]:
    """The names in rows whose chips fit into `room` pixels."""
    rows: list[list[str]] = []
    left = 0.0
    for name in names:
        wide = mono_width(name, _CHIP) + 2 * _CHIP_PAD
        if not rows or left + wide > room:
            rows.append([])
            left = 0.0
        rows[-1].append(name)
        left += wide + _CHIP_GAP
    return rows


def _arrow(top: float, bottom: float) -> Iterator[str]:
    x = _WIDTH - _MARGIN - _SIDE / 2 + 6
    middle = (top + bottom) / 2
    half = width(_ARROW, _LINE) / 2 + 14
    yield _path(
        f"M{_n(x)} {_n(top)}V{_n(middle - half)}M{_n(x)} {_n(middle + half)}V{_n(bottom - 2)}"
    )
    yield _path(
        f"M{_n(x - 6)} {_n(bottom - 10)}L{_n(x)} {_n(bottom - 1)}L{_n(x + 6)} {_n(bottom - 10)}"
    )
    turn = f"rotate(90 {_n(x)} {_n(middle)})"
    yield element("text", _ARROW, class_="side", x=_n(x), y=_n(middle + 4), transform=turn)


def _framed(parts: list[str], height: int, count: int) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    whole = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        element("title", _TITLE, id="title"),
        f"<style>\n{_style(count)}\n</style>",
        _rectangle(0.5, 0.5, _WIDTH - 1, height - 1, 12, "page"),
        *parts,
        "</svg>",
    ]
    return "\n".join(whole) + "\n"


def _style(count: int) -> str:
    return "\n".join(
        [
            f"text {{ font-family: {_SANS}; }}",
            f".name {{ font: 600 {_NAME}px {_MONO}; }}",
            f".line {{ font-size: {_LINE}px; }}",
            f".chiptext {{ font: {_CHIP}px {_MONO}; text-anchor: middle; }}",
            f".caption, .side {{ font-size: {_LINE}px; }}",
            ".side { text-anchor: middle; letter-spacing: 0.3px; }",
            ".arrow { fill: none; stroke-width: 1.5; stroke-linecap: round; }",
            *_colours(_LIGHT, count),
            "@media (prefers-color-scheme: dark) {",
            *_colours(_DARK, count),
            "}",
        ]
    )


def _colours(tone: Mapping[str, str], count: int) -> Iterator[str]:
    yield f".page {{ fill: {tone['page']}; stroke: {tone['edge']}; }}"
    yield f".box {{ fill: {tone['box']}; stroke: {tone['line']}; }}"
    yield f".half {{ stroke: {tone['accent']}; stroke-width: 1.5; stroke-opacity: 0.8; }}"
    yield f".name {{ fill: {tone['text']}; }}"
    yield f".line, .caption {{ fill: {tone['muted']}; }}"
    yield f".chip {{ fill: {tone['chip']}; }}"
    yield f".chiptext, .side {{ fill: {tone['accent']}; }}"
    yield f".arrow {{ stroke: {tone['accent']}; }}"
    for number in range(count):
        share = number / max(1, count - 1)
        yield f".floor{number} {{ fill: {_between(tone['top'], tone['ground'], share)}; }}"


def _between(start: str, end: str, share: float) -> str:
    """The colour `share` of the way from one `#rrggbb` to another."""
    pairs = zip(bytes.fromhex(start[1:]), bytes.fromhex(end[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in pairs).hex()


def _rectangle(x: float, y: float, wide: float, tall: float, round_: float, style: str) -> str:
    return element(
        "rect", class_=style, x=_n(x), y=_n(y), width=_n(wide), height=_n(tall), rx=_n(round_)
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return element("text", text, class_=style, x=_n(x), y=_n(y))


def _path(steps: str) -> str:
    return element("path", class_="arrow", d=steps)


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel, without a useless `.0`."""
    return f"{round(value, 1):g}"


def _plain(text: str) -> str:
    return text.replace("`", "")


PICTURE: Final = Page(path="docs/assets/house.svg", render=render)
