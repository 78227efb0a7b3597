"""Rules as data: each table, each column by its path, its class and its mask.

A path names a value inside a record: `address.zip`; lists on the way are passed through. In it `*`
stands for any one member, a last `**` for whatever is below, and a last `@` for the names of the
members themselves, where these are values (`payment_methods.@`). What no path covers is dropped,
and reported.
"""

import enum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_MEBI: Final = 1 << 20


class Class(enum.StrEnum):
    """What a value is to the person it speaks of."""

    DIRECT = "direct"
    QUASI = "quasi"
    SECRET = "secret"  # noqa: S105 - a class of columns
    FREE_TEXT = "free_text"
    KEEP = "keep"
    DROP = "drop"


class Mask(enum.StrEnum):
    """What a value becomes."""

    ID = "id"
    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    NAME = "name"
    EMAIL = "email"
    USERNAME = "username"
    PHONE = "phone"
    STREET = "street"
    UNIT = "unit"
    CITY = "city"
    ZIP = "zip"
    DATE = "date"
    YEAR = "year"
    BAND = "band"
    NUMBER = "number"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"
    REDACTED = "redacted"
    KEPT = "kept"


class Format(enum.StrEnum):
    """What an identifier looks like afterwards."""

    HASHED = "hashed"
    KEPT = "kept"
    DIGITS = "digits"


class Check(enum.StrEnum):
    """Check digits that are computed anew."""

    LUHN = "luhn"


_OF_QUASI: Final = frozenset({Mask.ZIP, Mask.DATE, Mask.YEAR, Mask.BAND, Mask.CITY, Mask.KEPT})
_NEVER_DIRECT: Final = frozenset({Mask.KEPT, Mask.BAND, Mask.YEAR})
# Two columns of one domain show one value as one pseudonym. Of these kinds there is one domain,
# unless a rule says otherwise; that of an id has no natural name.
_ONE_DOMAIN: Final = {
    Mask.NAME: "name",
    Mask.GIVEN_NAME: "given_name",
    Mask.FAMILY_NAME: "family_name",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ColumnRule(_Part):
    """What becomes of the values at one path.

    Attributes:
        kind: their class.
        mask: how they are masked; direct and quasi need it, the others have none.
        domain: values of one domain get one pseudonym, in every table and text.
        format: of an id: hashed; of the shape that it had; or that with only its digits changed.
        check: the check digit at the end of a kept format.
        keep: characters left as they are: of a zip, or at the front of a card number.
        width: of a band, in the column's unit.
        unfit: what to do with a value that the mask does not fit.
    """

    kind: Class = Field(alias="class")
    mask: Mask | None = Field(None, alias="as")
    domain: str | None = None
    format: Format = Format.HASHED
    check: Check | None = None
    keep: Annotated[int, Field(ge=0, le=12)] = 3
    width: Annotated[int, Field(ge=2)] = 10
    unfit: Literal["fail", "redact"] = "fail"

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"class": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _mask_fits_class(self) -> Self:
        needs = self.kind in {Class.DIRECT, Class.QUASI}
        if needs and self.mask is None:
            raise ValueError(f"class {self.kind} needs `as`, the mask")
        if not needs and self.mask is not None:
            raise ValueError(f"class {self.kind} takes no mask")
        if self.kind is Class.DIRECT and self.mask in _NEVER_DIRECT:
            raise ValueError(f"a direct identifier cannot be masked as {self.mask}")
        if self.kind is Class.QUASI and self.mask not in _OF_QUASI:
            raise ValueError(f"quasi-identifiers are masked as {', '.join(sorted(_OF_QUASI))}")
        return self

    @property
    def identifies(self) -> bool:
        """Whether its values must not be found in the output: they are changed, not kept."""
        return self.kind in {Class.DIRECT, Class.SECRET} or (
            self.kind is Class.QUASI and self.mask is not Mask.KEPT
        )

    def domain_in(self, table: str, path: str) -> str:
        """Its domain, named or natural."""
        if self.domain is not None:
            return self.domain
        if self.mask is Mask.ID:
            return f"{table}.{path}"
        return _ONE_DOMAIN.get(self.mask, str(self.mask)) if self.mask else path


Path = Annotated[str, Field(min_length=1, pattern=r"^[^.]+(\.[^.]+)*$")]


class TableRules(_Part):
    """One table, file or folder.

    Attributes:
        source: a file or folder below the source, or a table's name; the table's name by default.
        format: of a file whose name does not tell.
        person: the paths that hold the key of whom a record speaks; texts and dates go by it.
        person_optional: whether a record may name nobody.
        unique: paths whose values differ in every record, before and after.
        references: path to `table.path` where its value must be found.
        columns: path to rule.
    """

    source: str | None = None
    format: Literal["jsonl", "csv", "parquet", "folder"] | None = None
    person: tuple[Path, ...] = ()
    person_optional: bool = False
    unique: tuple[Path, ...] = ()
    references: dict[Path, str] = Field(default_factory=dict)
    columns: dict[Path, ColumnRule]

    @field_validator("person", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def has_text(self) -> bool:
        """Whether any of its columns is free text."""
        return any(rule.kind is Class.FREE_TEXT for rule in self.columns.values())


class Gates(_Part):
    """What the verifier demands.

    Attributes:
        k: least number of records that share each combination of declared quasi-identifiers.
        canaries: least share of planted values that must be found masked, for each kind.
    """

    k: Annotated[int, Field(ge=1)] = 5
    canaries: Annotated[float, Field(gt=0, le=1)] = 0.99


class TextRules(_Part):
    """How free text is searched.

    Attributes:
        patterns: look for e-mail addresses, numbers with check digits, tokens and the like.
        tagger: look for names and addresses that are in no record.
        presidio: ask Presidio too, if it is installed (`pip install presidio-analyzer`).
    """

    patterns: bool = True
    tagger: bool = False
    presidio: bool = False


class Subset(_Part):
    """Which people the snapshot keeps: a share drawn by key, or all."""

    persons: Annotated[float, Field(gt=0, le=1)] = 1.0


class Rules(_Part):
    """All rules of one snapshot.

    Attributes:
        name: the snapshot's.
        shift_days: dates move by 1 to this many days, the same for all of a person.
        largest_record: bytes of one record.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    shift_days: Annotated[int, Field(ge=1, le=3650)] = 365
    largest_record: Annotated[int, Field(ge=1024)] = 64 * _MEBI
    text: TextRules = TextRules()
    gates: Gates = Gates()
    subset: Subset = Subset()
    tables: Annotated[dict[str, TableRules], Field(min_length=1)]

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Self:
        for name, table in self.tables.items():
            for path, target in table.references.items():
                other, _, inner = target.partition(".")
                if other not in self.tables or inner not in self.tables[other].columns:
                    raise ValueError(
                        f"tables.{name}: {path} refers to {target!r}, not in the rules"
                    )
                ours, theirs = table.columns.get(path), self.tables[other].columns[inner]
                if ours is None or _shown_as(ours, name, path) != _shown_as(theirs, other, inner):
                    raise ValueError(
                        f"tables.{name}: {path} and {target} must have one domain and one mask"
                    )
        return self

    def as_json(self) -> dict[str, Any]:
        """The rules with every default written out; their digest names them."""
        return self.model_dump(mode="json", by_alias=True)


def _shown_as(rule: ColumnRule, table: str, path: str) -> tuple[object, ...]:
    if rule.kind is Class.KEEP:
        return (Class.KEEP,)
    return (rule.mask, rule.domain_in(table, path), rule.format, rule.check)
