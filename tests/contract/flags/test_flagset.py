import json
import threading
from typing import Any

import pytest

from seatrial.contract.flags.findings import FlagsInvalid, FlagsTooLarge
from seatrial.contract.flags.flagset import FlagSet
from seatrial.contract.flags.resolution import ErrorCode
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.writing import NOW, document, flag


def loaded(text: str) -> FlagSet:
    flags = FlagSet(Generation.V2)
    flags.load(text)
    return flags


def test_before_the_first_definition_no_flag_is_found() -> None:
    assert FlagSet(Generation.V3).evaluate("f", {}, NOW).error is ErrorCode.FLAG_NOT_FOUND


@pytest.mark.parametrize(
    ("text", "error"),
    [("", FlagsInvalid), ("{", FlagsInvalid), (document(state="on"), FlagsInvalid),
     (" " * (9 << 20), FlagsTooLarge)],
)  # fmt: skip
def test_what_is_refused_leaves_the_last_good_definition_in_force(
    text: str, error: type[Exception]
) -> None:
    flags = loaded(document(defaultVariant="on"))
    before = flags.current
    with pytest.raises(error):
        flags.load(text)
    assert flags.current is before
    assert flags.evaluate("f", {}, NOW).variant == "on"


def test_loading_names_the_flags_that_changed() -> None:
    flags = FlagSet(Generation.V2)
    assert flags.load(document()) == ["f"]
    assert flags.load(document()) == []
    assert flags.load(json.dumps({"flags": {"g": flag()}})) == ["f", "g"]


def test_a_reader_sees_one_definition_or_the_other_and_never_a_part_of_each() -> None:
    def text(version: str) -> str:
        variants: dict[str, Any] = {"off": version}
        both = {"a": flag(variants=variants), "b": flag(variants=variants)}
        return json.dumps({"flags": both, "metadata": {"version": version}})

    flags, texts = loaded(text("0")), [text(str(number)) for number in range(30)]
    seen: list[bool] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            held = flags.current
            a, b = (held.evaluate(key, {}, NOW) for key in "ab")
            seen.append(a.value == b.value == a.metadata["version"] == held.metadata["version"])

    reader = threading.Thread(target=read)
    reader.start()
    for each in texts:
        flags.load(each)
    done.set()
    reader.join()
    assert all(seen)
    assert flags.evaluate("a", {}, NOW).value == "29"
