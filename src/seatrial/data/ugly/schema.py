"""Records from a JSON Schema alone: plain and valid, to be damaged afterwards."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from seatrial.data.domain import SchemaUnfit
from seatrial.data.masking import pools
from seatrial.data.rules.tree import Value

_DEEPEST: Final = 12
_WORDS: Final = ("parcel", "window", "late", "blue", "invoice", "change", "again", "thanks", "box")


class RecordMaker:
    """Makes records that a schema allows.

    Args:
        schema: of one record: an object with properties. Known are type, enum, const, bounds of
            numbers, lengths, items, local references, anyOf, oneOf, allOf, and the usual formats.
        shown: what errors call it.
    """

    def __init__(self, schema: dict[str, Any], *, shown: str) -> None:
        self._root = schema
        self._shown = shown

    def record(self, draw: random.Random) -> dict[str, Any]:
        """The next record.

        Raises:
            SchemaUnfit: the schema asks for what is not known here.
        """
        made = self._value(draw, self._root, "the root", 0)
        if not isinstance(made, dict):
            raise self._unfit("the root", "it is no object")
        return made

    def _value(self, draw: random.Random, schema: Value, place: str, depth: int) -> Value:
        if depth > _DEEPEST:
            raise self._unfit(place, "it is nested too deep, or in itself")
        if not isinstance(schema, dict):
            raise self._unfit(place, "it is no schema")
        schema = self._resolved(draw, schema, place)
        given = [*(schema.get(name) for name in ("enum", "examples") if schema.get(name))]
        given += [[schema[name]] for name in ("const", "default") if name in schema]
        if given:
            return draw.choice(given[-1])
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            kind = next((k for k in kind if k != "null"), "null")
        make = _MAKERS.get(str(kind))
        if make is None:
            raise self._unfit(place, f"its type is {kind!r}")
        return make(self, draw, schema, place, depth)

    def _resolved(self, draw: random.Random, schema: dict[str, Any], place: str) -> dict[str, Any]:
        if "$ref" in schema:
            found: Any = self._root
            for part in filter(None, str(schema["$ref"]).removeprefix("#").split("/")):
                found = found.get(part) if isinstance(found, dict) else None
            if not isinstance(found, dict):
                raise self._unfit(place, f"{schema['$ref']!r} leads nowhere")
            return self._resolved(draw, found, place)
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                chosen = draw.choice([s for s in schema[several] if s.get("type") != "null"])
                return self._resolved(draw, {**_but(schema, several), **chosen}, place)
        if schema.get("allOf"):
            merged: dict[str, Any] = _but(schema, "allOf")
            for part in schema["allOf"]:
                whole = self._resolved(draw, part, place)
                properties = {**merged.get("properties", {}), **whole.get("properties", {})}
                merged = {**merged, **whole, **({"properties": properties} if properties else {})}
            return merged
        return schema

    def _object(
        self, draw: random.Random, schema: dict[str, Any], place: str, depth: int
    ) -> dict[str, Any]:
        return {
            name: self._value(draw, inner, f"{place}.{name}", depth + 1)
            for name, inner in schema.get("properties", {}).items()
        }

    def _array(
        self, draw: random.Random, schema: dict[str, Any], place: str, depth: int
    ) -> list[Any]:
        least = int(schema.get("minItems", 1))
        count = draw.randint(
            least, max(least, min(int(schema.get("maxItems", least + 2)), least + 2))
        )
        return [
            self._value(draw, schema.get("items", {"type": "string"}), f"{place}[]", depth + 1)
            for _ in range(count)
        ]

    def _string(self, draw: random.Random, schema: dict[str, Any], place: str, _depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]](draw)
        if "pattern" in schema:
            raise self._unfit(place, "it has a pattern and no `examples` to take from")
        least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 60))
        text = " ".join(draw.choice(_WORDS) for _ in range(draw.randint(2, 6)))
        return (text[:most]).ljust(least, "x")

    def _number(
        self, draw: random.Random, schema: dict[str, Any], _place: str, _depth: int
    ) -> float:
        low, high = _bounds(schema)
        return round(draw.uniform(low, high), 2)

    def _integer(
        self, draw: random.Random, schema: dict[str, Any], _place: str, _depth: int
    ) -> int:
        low, high = _bounds(schema)
        step = int(schema.get("multipleOf", 1))
        return draw.randint(-(-int(low) // step), int(high) // step) * step

    def _boolean(self, draw: random.Random, *_: object) -> bool:
        return draw.random() < 0.5

    def _null(self, *_: object) -> None:
        return None

    def _unfit(self, place: str, reason: str) -> SchemaUnfit:
        return SchemaUnfit(path=self._shown, reason=f"{place}: {reason}")


def _but(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _bounds(schema: dict[str, Any]) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 1001) - 1)
    return float(low), float(max(low, high))


def _moment(draw: random.Random) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(1_000_000))


def _name(draw: random.Random) -> str:
    return f"{draw.choice(pools.pool(pools.GIVEN))} {draw.choice(pools.pool(pools.FAMILY))}"


_FORMATS: Final = {
    "date": lambda draw: _moment(draw).date().isoformat(),
    "date-time": lambda draw: _moment(draw).isoformat().replace("+00:00", "Z"),
    "time": lambda draw: _moment(draw).time().isoformat(),
    "email": lambda draw: f"{_name(draw).lower().replace(' ', '.')}@example.com",
    "uuid": lambda draw: "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}".format(
        *(draw.getrandbits(bits) for bits in (32, 16, 12, 12, 48))
    ),
    "uri": lambda draw: f"https://example.com/{draw.randrange(10**6)}",
    "ipv4": lambda draw: f"192.0.2.{draw.randrange(1, 255)}",
    "phone": lambda draw: f"+1 512 555 01{draw.randrange(100):02}",
}
_MAKERS: Final[dict[str, Any]] = {
    "object": RecordMaker._object,  # noqa: SLF001 - its own table
    "array": RecordMaker._array,  # noqa: SLF001
    "string": RecordMaker._string,  # noqa: SLF001
    "number": RecordMaker._number,  # noqa: SLF001
    "integer": RecordMaker._integer,  # noqa: SLF001
    "boolean": RecordMaker._boolean,  # noqa: SLF001
    "null": RecordMaker._null,  # noqa: SLF001
}
