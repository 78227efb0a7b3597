import enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from pydantic.fields import FieldInfo

from dev.reference.field_types import described


class Tone(enum.StrEnum):
    LOW = "low"
    HIGH = "high"


class Every(BaseModel):
    flag: bool
    count: Annotated[int, Field(gt=0, lt=9)]
    share: Annotated[float, Field(ge=0, le=1)]
    name: str = Field("x", min_length=1, max_length=8)
    slug: str = Field("x", pattern="[a-z]+")
    secret: SecretStr
    tone: Tone
    mode: Literal["on", "off"]
    home: Path
    maybe: int | None = None
    several: tuple[str, ...] = ()
    bounded: list[Annotated[int, Field(ge=1)]] = []
    by_name: dict[str, int] = {}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("flag", "true or false"),
        ("count", "integer, over 0, under 9"),
        ("share", "number, at least 0, at most 1"),
        ("name", "text, at least 1 long, at most 8 long"),
        ("slug", "text, matching `[a-z]+`"),
        ("secret", "secret text"),
        ("tone", "`low` or `high`"),
        ("mode", "`on` or `off`"),
        ("home", "path"),
        ("maybe", "integer or unset"),
        ("several", "list of text"),
        ("bounded", "list of integer, at least 1"),
        ("by_name", "table of integer"),
    ],
)
def test_a_type_is_told_in_plain_words(field: str, text: str) -> None:
    assert described(Every.model_fields[field]) == text


def test_every_type_here_is_tried() -> None:
    kinds: list[Any] = [field.annotation for field in Every.model_fields.values()]
    assert all(isinstance(field, FieldInfo) for field in Every.model_fields.values())
    assert len(kinds) == 13
