"""What values of each kind become, in tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.masking import pools
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.rules.domain import Class, ColumnRule, Mask

ONE, OTHER = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)
WORDS = st.text("abcdefghij klm", min_size=1).filter(str.strip)


def masked(mask: Mask, text: str, every: Pseudonyms = ONE, **more: object) -> str:
    kind = Class.QUASI if mask in {Mask.ZIP, Mask.BAND, Mask.YEAR} else Class.DIRECT
    rule = ColumnRule.model_validate({"class": kind, "as": mask, **more})
    return every.text_mask(rule, rule.domain_in("t", "c"))(text)


@given(WORDS)
def test_a_name_is_invented_and_the_same_each_time(text: str) -> None:
    name = masked(Mask.GIVEN_NAME, text)
    assert name == masked(Mask.GIVEN_NAME, text)
    assert name.capitalize() in pools.pool(pools.GIVEN)


def test_case_and_blanks_do_not_make_two_people() -> None:
    assert masked(Mask.EMAIL, "Mia.Li@Example.com ") == masked(Mask.EMAIL, "mia.li@example.com")
    assert masked(Mask.FAMILY_NAME, "LI") == masked(Mask.FAMILY_NAME, "Li").upper()


def test_a_whole_name_is_made_of_what_its_parts_become() -> None:
    first, last = masked(Mask.GIVEN_NAME, "Mia"), masked(Mask.FAMILY_NAME, "Li")
    assert masked(Mask.NAME, "Mia Li") == f"{first} {last}"
    assert masked(Mask.NAME, "Li, Mia") == f"{last}, {first}"
    assert masked(Mask.NAME, "Dr. Mia van Li") == f"Dr. {first} van {last}"


def test_two_keys_have_nothing_in_common() -> None:
    values = [f"user{number}@example.com" for number in range(300)]
    for mask in (Mask.EMAIL, Mask.USERNAME, Mask.ID):
        one = {masked(mask, value) for value in values}
        assert len(one) == 300
        assert not one & {masked(mask, value, OTHER) for value in values}


def test_one_phone_number_is_one_however_it_is_written() -> None:
    written = ["+1 (512) 555-0147", "512.555.0147", "5125550147", "1-512-555-0147"]
    digits = {"".join(c for c in masked(Mask.PHONE, text) if c.isdigit())[-10:] for text in written}
    assert len(digits) == 1
    assert masked(Mask.PHONE, written[0]).startswith("+1 (")


@pytest.mark.parametrize(
    ("mask", "text", "shown"),
    [
        (Mask.ZIP, "78750", "78700"),
        (Mask.ZIP, "SW1A 2AA", "SW1X 0XX"),
        (Mask.YEAR, "1990-04-05", "1990-01-01"),
        (Mask.BAND, "37", "30"),
        (Mask.BAND, "-4.5", "-10"),
        (Mask.REDACTED, "anything", "[redacted]"),
    ],
)
def test_what_is_made_coarse(mask: Mask, text: str, shown: str) -> None:
    assert masked(mask, text) == shown


@pytest.mark.parametrize(
    ("mask", "text"),
    [(Mask.IP, "1.2.3.x"), (Mask.IBAN, "DE00"), (Mask.CARD, "41"), (Mask.BAND, "tall")],
)
def test_a_value_of_another_kind_is_refused_without_being_quoted(mask: Mask, text: str) -> None:
    with pytest.raises(Unfit) as refused:
        masked(mask, text)
    assert text not in str(refused.value)


@pytest.mark.parametrize("address", ["192.168.1.1", "2001:db8::1"])
def test_an_address_becomes_a_private_one(address: str) -> None:
    assert masked(Mask.IP, address).startswith(("10.", "fd"))


def test_dates_of_one_person_move_alike_within_the_bound() -> None:
    shifts = {ONE.shift(f"person{number}", 30) for number in range(500)}
    assert shifts == set(range(1, 31))


@pytest.mark.parametrize("kind", [pools.GIVEN, pools.FAMILY, pools.STREET, pools.CITY])
def test_a_pool_holds_plain_names_once(kind: str) -> None:
    names = pools.pool(kind)
    assert len(set(names)) == len(names) >= 2048
    assert all(name.isalpha() and name.istitle() and len(name) >= 5 for name in names)
