import pytest

from seatrial.contract.flags.versions import COMPARISONS, Version, version

# The order of semver.org, section 11.
RISING = ("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
          "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1", "10.0.0")  # fmt: skip


def of(text: object) -> Version:
    found = version(text)
    assert found is not None
    return found


def test_versions_rank_as_the_standard_says() -> None:
    ranked = [of(text) for text in RISING]
    assert ranked == sorted(ranked)
    assert len(set(ranked)) == len(RISING)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("v1.2.3", "1.2.3"), ("V1.2.3", "1.2.3"), ("1", "1.0.0"), ("1.2", "1.2.0"), (1, "1.0.0"),
     (1.2, "1.2.0"), ("1-rc", "1.0.0-rc"), ("1.2+build", "1.2.0"), ("1.2.3+a-b", "1.2.3")],
)  # fmt: skip
def test_short_and_prefixed_versions_are_filled_up(written: object, meant: str) -> None:
    assert version(written) == of(meant)


@pytest.mark.parametrize(
    "written",
    ["", "v", "1.2.3.4", "01.2.3", "1.02.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "vv1", " 1.2.3",
     "1.2.3\n",
     "1.2.x", "latest", "\u0661.\u0662.\u0663", "1.2.3-é",
     None, True, [], {}, "9" * 300, float("nan")],
)  # fmt: skip
def test_what_is_no_version_is_none(written: object) -> None:
    assert version(written) is None


@pytest.mark.parametrize(
    ("a", "test", "b", "holds"),
    [("1.2.3", "^", "1.9.0", True), ("1.2.3", "^", "2.2.3", False), ("1.2.3", "~", "1.2.9", True),
     ("1.2.3", "~", "1.3.3", False), ("1.2.3", "=", "1.2.3+x", True),
     ("1.2.3", "!=", "1.2.4", True)],
)  # fmt: skip
def test_caret_and_tilde_compare_major_and_minor(a: str, test: str, b: str, holds: bool) -> None:
    assert COMPARISONS[test](of(a), of(b)) is holds
