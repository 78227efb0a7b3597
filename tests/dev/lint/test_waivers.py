from pathlib import PurePosixPath

import pytest

from dev.lint.engine import examine
from dev.lint.source import Source


def codes(text: str, place: str = "control/catalog/service.py") -> list[str]:
    source = Source(path=place, place=PurePosixPath(place), text=text)
    return sorted(finding.code for finding in examine(source))


def test_a_waiver_behind_the_code_covers_its_line() -> None:
    assert codes("import os\nos.environ  # lint: SEA004 because the shell needs it\n") == []


def test_a_waiver_above_a_comment_covers_the_code_below_both() -> None:
    text = "import os\n# lint: SEA004 because the shell needs it\n# and more\n\nos.environ\n"
    assert codes(text) == []


def test_a_waiver_covers_a_statement_of_many_lines() -> None:
    text = "import os\nx = f(\n    os.environ,\n)  # lint: SEA004 because the shell needs it\n"
    assert codes(text) == []


def test_a_waiver_covers_no_other_statement() -> None:
    text = "import os\nos.environ  # lint: SEA004 because the shell needs it\nos.environ\n"
    assert codes(text) == ["SEA004"]


def test_a_waiver_at_a_function_covers_its_head_and_not_its_body() -> None:
    text = (
        "import os\n"
        "# lint: SEA004 because the shell needs it\n"
        "def f(home=os.environ):\n"
        "    return os.environ\n"
    )
    assert codes(text) == ["SEA004"]


def test_one_waiver_may_name_two_rules() -> None:
    text = "import os\nHOME = os.environ  # lint: SEA004, SEA016 because the shell needs it\n"
    assert codes(text) == []


@pytest.mark.parametrize(
    "comment",
    [
        "# lint: SEA004",
        "# lint: SEA004 because",
        "# lint: SEA004 because yes",
        "# lint: because the shell needs it",
        "# lint:SEA004 because the shell needs it",
    ],
)
def test_a_waiver_without_rule_or_reason_pardons_nothing(comment: str) -> None:
    assert codes(f"import os\nos.environ  {comment}\n") == ["SEA000", "SEA004"]


def test_a_waiver_where_nothing_is_broken_is_found() -> None:
    assert codes("x = 1  # lint: SEA004 because the shell needs it\n") == ["SEA000"]


def test_a_waiver_of_no_rule_is_found() -> None:
    assert codes("x = 1  # lint: SEA999 because the shell needs it\n") == ["SEA000"]


def test_the_rule_on_waivers_cannot_be_waived() -> None:
    text = "x = 1  # lint: SEA000, SEA004 because the shell needs it\n"
    assert codes(text) == ["SEA000", "SEA000"]


def test_a_waiver_in_a_text_is_no_waiver() -> None:
    assert codes("import os\nf('# lint: SEA004 because of it all', os.environ)\n") == ["SEA004"]
