"""What is no script, and that the file is refused with the rule that is wrong."""

from pathlib import Path

import pytest

from seatrial.cell.llms.scripted.domain import ScriptRefused
from seatrial.cell.llms.scripted.service import rules_of


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "rules"),
        ("rules = [", "Invalid"),
        ("[[rules]]\n", "neither `say`"),
        ('[[rules]]\nsay = "x"\nwehn = 1\n', "rules.0.wehn"),
        ('[[rules]]\nsay = "x"\nwhen = { said = "(" }\n', "no pattern"),
        ('[[rules]]\nsay = "{order}"\n', "group order"),
        ('[[rules]]\nfault = "fire"\n', "rules.0.fault"),
        ('[[rules]]\nsay = "x"\ntimes = 0\n', "rules.0.times"),
        ('[[rules]]\nsay = "\udcff"\n', "utf-8"),
    ],
)
def test_what_is_no_script_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ScriptRefused, match=place):
        rules_of(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptRefused, match="No such file"):
        rules_of(tmp_path / "none.toml")
