"""What a column seems to hold, by its name and by its values; a guess for a person to check."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from seatrial.data.rules.domain import Class, Mask

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}\Z")
_PHONE: Final = re.compile(r"\+?[\d() .-]{9,20}\Z")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}[/.]\d{4}\Z")
_IP: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_CODE: Final = re.compile(r"(?=.*\d)[\w#.:-]{4,64}\Z")
_WORDS: Final = re.compile(r"\S+\s+\S+\s+\S+\s+\S+")

# A name that tells: the first that fits counts.
_BY_NAME: Final[tuple[tuple[str, Class, Mask | None], ...]] = (
    (r"pass(word|wd)?(_?hash)?|secret|token|api_?key|cvv|cvc|pin|salt|otp", Class.SECRET, None),
    (r"(first|given|fore)_?name", Class.DIRECT, Mask.GIVEN_NAME),
    (r"(last|family|sur)_?name|surname", Class.DIRECT, Mask.FAMILY_NAME),
    (r"(full|display|customer|contact|person|passenger|holder)_?name", Class.DIRECT, Mask.NAME),
    (r"(e_?)?mail(_?address)?|contact_email", Class.DIRECT, Mask.EMAIL),
    (r"user_?name|login|handle|nick(name)?|screen_?name", Class.DIRECT, Mask.USERNAME),
    (r"(tele)?phone(_?number)?|mobile|cell|fax|msisdn", Class.DIRECT, Mask.PHONE),
    (r"(street|address)(_?(line)?_?1)?|address1|full_address", Class.DIRECT, Mask.STREET),
    (r"address(_?line)?_?2|unit|apartment|suite", Class.DIRECT, Mask.UNIT),
    (r"iban", Class.DIRECT, Mask.IBAN),
    (r"(credit_?)?card(_?number)?|pan", Class.DIRECT, Mask.CARD),
    (r"(ssn|social_?security|passport|licen[cs]e|tax_?id|national_?id|soc_sec_id).*",
     Class.DIRECT, Mask.NUMBER),
    (r"last_?(four|4)", Class.DIRECT, Mask.NUMBER),
    (r"(ip|remote)(_?addr(ess)?)?", Class.DIRECT, Mask.IP),
    (r"dob|(date_of_)?birth(_?da(y|te))?|born", Class.DIRECT, Mask.DATE),
    (r"zip(_?code)?|post(al)?_?code", Class.QUASI, Mask.ZIP),
    (r"city|town|suburb", Class.QUASI, Mask.CITY),
    (r"age", Class.QUASI, Mask.BAND),
    (r"state|province|country|gender|sex", Class.QUASI, Mask.KEPT),
    (r"notes?|comments?|message|content|text|body|description|transcript|subject|summary|reason",
     Class.FREE_TEXT, None),
)  # fmt: skip
_NAMES: Final = tuple(
    (re.compile(rf"(?:.*_)?(?:{p})\Z", re.IGNORECASE), c, m) for p, c, m in _BY_NAME
)
_FEW: Final = 24  # different values that a status or a kind has at most
_MOST: Final = 0.8  # share of values that must look like it


@dataclass(kw_only=True)
class Seen:
    """What was seen of one path.

    Attributes:
        count: values that are not empty.
        distinct: some of its different values, to tell a status from a name.
        looks: how many look like what.
        numbers: how many are numbers, true or false.
        longest: characters of the longest.
    """

    count: int = 0
    distinct: set[str] = field(default_factory=set)
    looks: dict[str, int] = field(default_factory=dict)
    numbers: int = 0
    longest: int = 0

    def add(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Note one value."""
        if value is None or value == "":
            return
        self.count += 1
        if isinstance(value, bool | int | float):
            self.numbers += 1
        text = str(value)
        self.longest = max(self.longest, len(text))
        if len(self.distinct) <= 4096:
            self.distinct.add(text[:64])
        if (look := _look(text)) is not None:
            self.looks[look] = self.looks.get(look, 0) + 1

    def mostly(self, look: str) -> bool:
        """Whether most values look like `look`."""
        return self.count > 0 and self.looks.get(look, 0) >= _MOST * self.count


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A proposed rule.

    Attributes:
        kind: the class.
        mask: for direct and quasi.
        why: for the person who checks it.
    """

    kind: Class
    mask: Mask | None
    why: str


def guess(path: str, seen: Seen) -> Guess:
    """What the values at `path` seem to be; what nothing tells is proposed to be dropped."""
    name = path.rsplit(".", 1)[-1]
    named, valued = _by_name(name), _by_value(seen)
    if named is not None and named.kind is Class.SECRET:
        return named
    if valued is not None and (named is None or valued.kind is Class.DIRECT):
        return valued  # what is there counts more than what it is called
    return named or _by_spread(name, seen)


def _by_name(name: str) -> Guess | None:
    for pattern, kind, mask in _NAMES:
        if pattern.match(name):
            return Guess(kind=kind, mask=mask, why=f"it is called {name!r}")
    return None


def _by_spread(name: str, seen: Seen) -> Guess:
    if name == "name":
        return Guess(kind=Class.DIRECT, mask=Mask.NAME, why="it is called 'name'")
    if name == "id" or name.endswith(("_id", "Id", "_ids", "number")):
        return Guess(kind=Class.DIRECT, mask=Mask.ID, why="it is called like an identifier")
    if seen.count and seen.numbers == seen.count:
        return Guess(kind=Class.KEEP, mask=None, why="all of it are numbers")
    if seen.count and len(seen.distinct) <= min(_FEW, max(2, seen.count // 4)):
        return Guess(kind=Class.KEEP, mask=None, why=f"it has {len(seen.distinct)} values")
    if seen.mostly("code"):
        return Guess(kind=Class.DIRECT, mask=Mask.ID, why="most of it look like identifiers")
    return Guess(kind=Class.DROP, mask=None, why="nothing tells what it is: look, then decide")


def _by_value(seen: Seen) -> Guess | None:
    for look, mask in (("email", Mask.EMAIL), ("ip", Mask.IP), ("phone", Mask.PHONE)):
        if seen.mostly(look):
            return Guess(kind=Class.DIRECT, mask=mask, why=f"most of it look like {look}s")
    if seen.mostly("words") or seen.longest > 400:
        return Guess(kind=Class.FREE_TEXT, mask=None, why="most of it are several words")
    return None


def _look(text: str) -> str | None:
    if "@" in text and _EMAIL.match(text):
        return "email"
    if _DATE.match(text):
        return "date"
    if _IP.match(text):
        return "ip"
    digits = sum(c.isdigit() for c in text)
    if digits >= 9 and _PHONE.match(text) and not text.isdigit():
        return "phone"
    if _WORDS.match(text):
        return "words"
    return "code" if _CODE.match(text) else None


def paths_of(value: Any, path: str = "") -> list[tuple[str, Any]]:  # noqa: ANN401
    """Every scalar of a record with its path; members named by values are one path, `*`."""
    if isinstance(value, list):
        return [pair for item in value for pair in paths_of(item, path)]
    if not isinstance(value, dict):
        return [(path, value)]
    by_value = bool(value) and all(
        isinstance(inner, dict) and re.search(r"\d", name) for name, inner in value.items()
    )
    found: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if by_value:
            found.append((f"{path}.@".lstrip("."), name))
        found.extend(paths_of(inner, f"{path}.{'*' if by_value else name}".lstrip(".")))
    return found
