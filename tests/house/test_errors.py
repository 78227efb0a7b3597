"""Every error of the product teaches: what happened, why, what to do."""

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Final

import click
import pytest

from dev.lint.places import is_sliced, role
from seatrial.kit.errors import SeatrialError
from seatrial.main.command import seatrial
from seatrial.main.explain import all_errors

ERRORS: Final = [error for error in all_errors() if error.__module__.startswith("seatrial.")]
NO_VERBS: Final = frozenset(
    {
        *("A", "An", "The", "This", "That", "There", "It", "Its", "You", "Your", "We", "No", "Not"),
        *("If", "When", "While", "Where", "Because", "Maybe", "Perhaps", "Please", "Only"),
        *("To", "For", "From", "In", "On", "With", "Without"),
    }
)
COMMAND: Final = re.compile(r"`seatrial ((?:[a-z]+(?: |(?=`)))+)")
SENTENCE: Final = re.compile(r"[^\n]*[^\s.][.]")


def each_error(error: type[SeatrialError]) -> str:
    return error.code


@pytest.mark.parametrize("error", ERRORS, ids=each_error)
def test_message_cause_and_remedy_are_sentences(error: type[SeatrialError]) -> None:
    for text in (error.template(), error.cause, error.remedy):
        assert SENTENCE.fullmatch(text), text
        assert text[0].isupper() or text[0] in "{`", text
        assert "  " not in text


@pytest.mark.parametrize("error", ERRORS, ids=each_error)
def test_a_remedy_begins_with_what_to_do(error: type[SeatrialError]) -> None:
    first = error.remedy.split()[0].rstrip(",:;.")
    assert first.replace("-", "").isalpha()
    assert first not in NO_VERBS
    assert first == "Nothing" or not first.endswith("ing")


@pytest.mark.parametrize("error", ERRORS, ids=each_error)
def test_a_remedy_names_only_commands_that_exist(error: type[SeatrialError]) -> None:
    for words in COMMAND.findall(f"{error.cause} {error.remedy}"):
        assert known(words.split()), f"there is no `seatrial {words}`"


@pytest.mark.parametrize("error", ERRORS, ids=each_error)
def test_an_error_of_a_room_stands_in_its_domain(error: type[SeatrialError]) -> None:
    place = PurePosixPath(*error.__module__.split(".")[1:]).with_suffix(".py")
    assert not is_sliced(place) or role(place) == "domain"


def test_codes_and_messages_are_unique() -> None:
    for texts in ([error.code for error in ERRORS], [error.template() for error in ERRORS]):
        assert not [text for text, times in Counter(texts).items() if times > 1]


def test_the_catalogue_holds_the_errors_of_every_room_imported() -> None:
    modules = {error.__module__.split(".")[1] for error in ERRORS}
    assert {"kit", "main"} <= modules


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert COMMAND.findall("Run `seatrial settings check FILE`.") == ["settings check "]
    assert known(["settings", "check"])
    assert not known(["settings", "chek"])
    assert not known(["setings"])


def known(words: list[str]) -> bool:
    command: click.Command | None = seatrial
    context = click.Context(seatrial, info_name="seatrial")
    for word in words:
        if not isinstance(command, click.Group):
            return True  # what follows a command that is no group are its arguments
        command = command.get_command(context, word)
    return command is not None
