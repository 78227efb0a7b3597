import re
import tomllib
from pathlib import Path

import pytest
from pydantic import Field

from dev.reference.pages.settings import processes, told
from seatrial.kit.settings import ProcessSettings, Section


class Inner(Section):
    deep: int = Field(3, description="How deep.")


class Boat(Section):
    """Where she lies."""

    harbour: str = Field("Ostend", description="The | harbour.")
    log: Path = Field(Path("log/of.txt"), description="Her log.")
    crew: tuple[str, ...] = Field(("ada", "ben"), description="Who sails.")
    pilot: str | None = Field(None, description="Who guides, if anyone.")
    inner: Inner = Inner()


class Voyage(ProcessSettings):
    """A voyage."""

    boat: Boat = Boat()


def file_shown(process: type[ProcessSettings]) -> str:
    match = re.search(r"```toml\n(.*?)```", told(process), re.DOTALL)
    assert match
    return match[1]


@pytest.mark.parametrize("process", [*processes(), Voyage], ids=lambda each: each.__name__)
def test_the_file_shown_is_the_defaults(process: type[ProcessSettings]) -> None:
    assert process(**tomllib.loads(file_shown(process))) == process()


def test_a_field_without_a_value_is_shown_as_a_comment() -> None:
    assert "\n# pilot =\n" in file_shown(Voyage)
    assert "| `boat.pilot` | text or unset | `unset` |" in told(Voyage)


def test_a_field_of_an_inner_section_has_its_dotted_name() -> None:
    row = "| `boat.inner.deep` | integer | `3` | How deep. | `SEATRIAL_BOAT__INNER__DEEP` |"
    assert row in told(Voyage)


def test_a_field_that_must_be_given_is_called_required() -> None:
    class Needy(Section):
        name: str = Field(description="A name.")

    class Process(ProcessSettings):
        needy: Needy

    assert "| `needy.name` | text | required | A name. |" in told(Process)
    assert "# name =" in told(Process)


def test_a_field_outside_a_section_is_refused() -> None:
    class Process(ProcessSettings):
        bare: int = 3

    with pytest.raises(TypeError, match=r"Process\.bare is no section"):
        told(Process)
