"""What is told to the process that masks a run, and what it answers."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from seatrial.data.fixtures.domain import Conversation, Expectation, Fixture
from seatrial.kit.errors import Failed


class MaskingBroke(Failed):
    """The run {run!r} could not be masked to the end: {reason}."""

    code = "masking_broke"
    cause = "A process of its own masks and verifies; nothing that it had done has left the cell."
    remedy = (
        "Add the fixture again; where a bound was met, raise `seconds` or `memory_mb` in the "
        "`[fixtures]` of the cell's settings."
    )


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Material(_Told):
    """All that a fixture is made of; values of the source are in it.

    Attributes:
        run: the run's id.
        release: digest of the release that broke.
        conversation: as it was.
        expect: what must hold.
        rules: the file of masking rules.
        source: folder or database with the tables of the rules; empty for none.
        key: the masking key, as PEM.
        signing: the key of the verifier, as PEM.
        work: where values of the source may lie meanwhile.
    """

    run: str
    release: str
    conversation: Conversation = Field(repr=False)
    expect: tuple[Expectation, ...] = Field(repr=False)
    rules: str
    source: str = Field(repr=False)
    key: str = Field(repr=False)
    signing: str = Field(repr=False)
    work: str


class Masked(_Told):
    """A fixture that the verifier has passed.

    Attributes:
        fixture: it.
        people: how many people of the source it speaks of.
        dropped: paths that no rule covers: they are not in it.
    """

    fixture: Fixture
    people: int
    dropped: tuple[str, ...]


class Refused(_Told):
    """An error with a code.

    Attributes:
        code: its stable name.
        fields: what its message quotes.
    """

    code: str
    fields: dict[str, Any]


class Answer(_Told):
    """What the process says; one of four.

    Attributes:
        masked: what has become of it.
        refused: why it was refused.
        missing: the package without which nothing is masked.
        broke: the kind of a defect, and its place; never its words, which may quote a value.
    """

    masked: Masked | None = None
    refused: Refused | None = None
    missing: str | None = None
    broke: str | None = None


@dataclass(frozen=True, kw_only=True)
class MaskingBounds:
    """How much the process may take.

    Attributes:
        seconds: until it is killed.
        memory: bytes of its own memory.
    """

    seconds: float = 600.0
    memory: int = 4 << 30
