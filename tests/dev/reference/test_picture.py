import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from dev.reference.house import Room, floors, rooms
from dev.reference.pages import picture
from dev.reference.svg import element, mono_width, width, wrap

_NS = {"svg": "http://www.w3.org/2000/svg"}


@pytest.fixture(scope="module")
def drawn() -> ET.Element:
    return ET.fromstring(picture.render())  # noqa: S314 - our own text


def texts(drawn: ET.Element, style: str) -> list[ET.Element]:
    return drawn.findall(f".//svg:text[@class='{style}']", _NS)


def boxes(drawn: ET.Element) -> list[ET.Element]:
    return [each for each in drawn.findall(".//svg:rect", _NS) if "box" in each.attrib["class"]]


def test_every_room_stands_in_the_picture_in_the_order_of_its_floors(drawn: ET.Element) -> None:
    assert [each.text for each in texts(drawn, "name")] == [n for floor in floors() for n in floor]


def test_the_rooms_of_both_halves_stand_inside(drawn: ET.Element) -> None:
    inner = [
        each.name.partition(".")[2]
        for half in ("control", "cell")
        for room in rooms()
        if room.name == half
        for each in room.inner
    ]
    assert [each.text for each in texts(drawn, "chiptext")] == inner


def test_every_line_fits_its_box_and_every_box_the_page(drawn: ET.Element) -> None:
    frame = [float(part) for part in drawn.attrib["viewBox"].split()]
    for box in boxes(drawn):
        left, top, right, bottom = _edges(box)
        assert 0 <= left < right <= frame[2]
        assert 0 <= top < bottom <= frame[3]
    for line in texts(drawn, "line"):
        x, y = float(line.attrib["x"]), float(line.attrib["y"])
        around = [e for e in map(_edges, boxes(drawn)) if e[0] < x < e[2] and e[1] < y < e[3]]
        assert len(around) == 1
        assert x + width(line.text or "", 12.5) <= around[0][2]
        assert y <= around[0][3] - 6


def test_a_lower_floor_is_drawn_lower(drawn: ET.Element) -> None:
    height = {each.text: float(each.attrib["y"]) for each in texts(drawn, "name")}
    levels = [{height[name] for name in floor} for floor in floors()]
    assert all(len(level) == 1 for level in levels)
    flat = [level.pop() for level in levels]
    assert flat == sorted(flat)


@pytest.mark.parametrize("tone", [picture._LIGHT, picture._DARK], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(tone: dict[str, str]) -> None:
    for front, back in _pairs():
        assert _contrast(tone[front], tone[back]) >= 4.5


def test_text_of_others_is_escaped() -> None:
    room = Room(name="kit", line='a < b & "c"', rest="", inner=())
    parsed = ET.fromstring(picture.draw([["kit"]], {"kit": room}))  # noqa: S314 - our own text
    assert [each.text for each in texts(parsed, "line")] == ['a < b & "c"']
    assert element("text", x='"') == "<text x='\"'/>"


def test_wrapping_loses_no_word_and_keeps_to_the_room() -> None:
    text = "Rooms on one floor never import each other, whatever they are called"
    lines = wrap(text, 12, 120)
    assert " ".join(lines) == text
    assert all(width(line, 12) <= 120 for line in lines)
    assert wrap("unbreakablewordlongerthanroom", 12, 10) == ["unbreakablewordlongerthanroom"]


def test_a_monospaced_letter_is_as_wide_as_any_other() -> None:
    assert mono_width("iiii", 10) == mono_width("mmmm", 10)


def test_both_colour_schemes_style_the_same_classes() -> None:
    style = picture.render().partition("<style>")[2].partition("</style>")[0]
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    coloured = re.findall(r"^(\S+(?:, \S+)*) \{ (?:fill|stroke):", dark, re.MULTILINE)
    assert coloured
    assert all(f"{selector} {{" in light for selector in coloured)


def _edges(box: ET.Element) -> tuple[float, float, float, float]:
    x, y, wide, tall = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
    return x, y, x + wide, y + tall


def _pairs() -> Iterator[tuple[str, str]]:
    yield from (("text", "box"), ("muted", "box"), ("muted", "page"))
    yield from (("accent", "chip"), ("accent", "page"))


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [value / 255 for value in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
