"""Free text: whatever form a value takes in it, it is found, and becomes what the tables show."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.masking.dossiers import Dossier, Span
from seatrial.data.masking.patterns import Patterns
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.renderings import Rendering, renderings
from seatrial.data.masking.text import TextMasker, replaced
from seatrial.data.rules.domain import Class, ColumnRule, Format, Mask

EVERY = Pseudonyms(b"k" * 32)
DAYS = 77
TEXTS = TextMasker(Patterns(EVERY))


def rule(mask: Mask, format_: Format = Format.HASHED) -> ColumnRule:
    return ColumnRule(kind=Class.DIRECT, mask=mask, format=format_)


def in_table(mask: Mask, value: str, format_: Format = Format.HASHED) -> str:
    of = rule(mask, format_)
    return EVERY.text_mask(of, of.domain_in("t", "c"))(value)


def dossier(*values: tuple[Mask, str, Format] | tuple[Mask, str]) -> Dossier:
    found: list[Rendering] = []
    for mask, value, *rest in values:
        of = rule(mask, *rest)
        found.extend(renderings(EVERY, of, of.domain_in("t", "c"), value, days=DAYS))
    return Dossier(found)


MIA = dossier(
    (Mask.GIVEN_NAME, "Mia"),
    (Mask.FAMILY_NAME, "Li"),
    (Mask.ID, "mia_li_3668"),
    (Mask.EMAIL, "mia.li3818@example.com"),
    (Mask.DATE, "1990-04-05"),
    (Mask.PHONE, "+1 512 555 0147"),
    (Mask.STREET, "975 Sunset Drive"),
    (Mask.ID, "credit_card_4421486", Format.DIGITS),
    (Mask.GIVEN_NAME, "José"),
)
GIVEN, FAMILY = in_table(Mask.GIVEN_NAME, "Mia"), in_table(Mask.FAMILY_NAME, "Li")
ID = in_table(Mask.ID, "mia_li_3668")
EMAIL = in_table(Mask.EMAIL, "mia.li3818@example.com")
STREET = in_table(Mask.STREET, "975 Sunset Drive")


def masked(text: str, of: Dossier = MIA) -> str:
    return TEXTS.masked([text], [of])[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("I'm Mia Li.", f"I'm {GIVEN} {FAMILY}."),
        ("i'm mia, MIA!", f"i'm {GIVEN.lower()}, {GIVEN.upper()}!"),
        ("Li, Mia", f"{FAMILY}, {GIVEN}"),
        ("id mia_li_3668", f"id {ID}"),
        ("id MIA-LI-3668", f"id {ID}"),
        ("id mia li 3668", f"id {ID}"),
        ("mia_li_9999", f"{GIVEN.lower()}_{FAMILY.lower()}_9999"),
        ("miaLi userMia", f"{GIVEN.lower()}{FAMILY} user{GIVEN}"),
        ("mail MIA.LI3818@EXAMPLE.COM", f"mail {EMAIL}"),
        ("mail mia.li3818%40example.com", f"mail {EMAIL}"),
        ("at 975 Sunset Drive", f"at {STREET}"),
        ("at 975  sunset drive,", f"at {STREET},"),
        ("M\u200bi\u200ba", GIVEN),
        ("line\\nMia", f"line\\n{GIVEN}"),
        ("q=Mia%20Li", f"q={GIVEN}%20{FAMILY}"),
        ("%4d%69%61", GIVEN),
        ("&#77;&#105;&#97;", GIVEN),
        ("\uff2d\uff29\uff21", GIVEN.upper()),
        ("\\u004dia", GIVEN),
        (
            "\u201cMia\u201d\u2014Li\u00a0mia",
            f"\u201c{GIVEN}\u201d\u2014{FAMILY}\u00a0{GIVEN.lower()}",
        ),
        ("\u0141Mia Mia\u0142", "\u0141Mia Mia\u0142"),
        ("limit Liable familia", "limit Liable familia"),
    ],
)
def test_a_linked_value_is_found_in_every_form(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize("text", ["José", "JOSÉ", "jose", "Jose\u0301", "Jos\\u00e9"])
def test_letters_beyond_ascii_hide_no_name(text: str) -> None:
    assert masked(text).lower() == in_table(Mask.GIVEN_NAME, "José").lower()


@pytest.mark.parametrize(
    "text",
    [
        "+1 (512) 555-0147",
        "512.555.0147",
        "5125550147",
        "512\u2013555\u20130147",
        "tel:+15125550147",
    ],
)
def test_a_number_is_found_with_any_separators_and_keeps_them(text: str) -> None:
    shown = masked(text)
    assert "5550147" not in "".join(c for c in shown if c.isdigit())
    assert [c for c in shown if not c.isdigit()] == [c for c in text if not c.isdigit()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1990-04-05", "1990-01-18"),
        ("04/05/1990", "01/18/1990"),
        ("April 5, 1990", "January 18, 1990"),
        ("April 5th, 1990", "January 18th, 1990"),
        ("5 Apr 1990", "18 Jan 1990"),
        ("5th of april 1990", "18th of January 1990"),
        ("1990/04/05", "1990/01/18"),
    ],
)
def test_a_date_moves_in_text_as_in_tables(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_kept_format_is_the_same_in_text() -> None:
    shown = in_table(Mask.ID, "credit_card_4421486", Format.DIGITS)
    assert masked("my credit_card_4421486.") == f"my {shown}."


def test_base64_is_opened_masked_and_closed() -> None:
    note = base64.b64encode(b"call Mia at 975 Sunset Drive").decode()
    inner = base64.b64decode(masked(f"note: {note};").removeprefix("note: ").rstrip(";")).decode()
    assert inner == f"call {GIVEN} at {STREET}"


def test_base64_in_base64_is_opened_too() -> None:
    twice = base64.b64encode(base64.b64encode(b"this is Mia Li of Austin"))
    assert b"Mia" not in base64.b64decode(base64.b64decode(masked(twice.decode())))


def test_json_inside_a_text_stays_json() -> None:
    inner = json.dumps({"name": "Mia", "n": 'say "Li"', "list": ["mia_li_3668"]})
    assert json.loads(masked(inner)) == {"name": GIVEN, "n": f'say "{FAMILY}"', "list": [ID]}


def test_what_is_linked_to_nobody_is_found_by_its_shape() -> None:
    shown = masked(
        "bob@corp.com 4111 1111 1111 1111 DE89370400440532013000 123-45-6789 +44 20 7946 0958"
        " 10.1.2.3 AKIAABCDEFGHIJKLMNOP ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    )
    for value in ("bob@", "4111 1111 1111 1111", "DE8937", "123-45-6789", "7946 0958", "AKIA",
                  "ghp_", " 10.1.2.3 "):  # fmt: skip
        assert value not in shown
    assert in_table(Mask.EMAIL, "bob@corp.com") in shown


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-15 15:00:00",
        "order #W2611340, item 9523456873",
        "1.2.3 is a version, 4111 1111 1111 1112 no card",
        "HAT136 at 06:00 for $1,234.56",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert masked(text) == text


def test_a_name_that_is_a_common_word_counts_only_as_a_name() -> None:
    will = dossier((Mask.GIVEN_NAME, "Will"), (Mask.FAMILY_NAME, "Brown"))
    shown = masked("Will said he will take brown bread, will_brown_1", will)
    assert "will take brown bread" in shown
    assert not shown.startswith("Will")
    assert "will_brown" not in shown


def test_texts_of_one_record_do_not_run_into_each_other() -> None:
    shown = TEXTS.masked(["mia_li", "3668", "", "Mia\0Li"], [MIA])
    assert shown[:3] == [f"{GIVEN.lower()}_{FAMILY.lower()}", "3668", ""]
    assert shown[3] == f"{GIVEN} {FAMILY}"


@pytest.mark.parametrize("escape", [quote, html.escape, lambda text: json.dumps(text)[1:-1]])
def test_an_escaped_value_beyond_ascii_is_found(escape: object) -> None:
    assert callable(escape)
    jose = dossier((Mask.NAME, "José Núñez"))
    assert "ez" not in masked(f"[{escape('José Núñez')}]", jose).lower().replace("\\u00", "")


def test_in_a_script_without_blanks_a_name_is_found_between_other_words() -> None:
    yamada = dossier((Mask.NAME, "山田太郎"))
    shown = masked("私は山田太郎です。", yamada)
    assert "山田" not in shown
    assert shown.startswith("私は")
    assert shown.endswith("です。")


def test_a_text_of_two_people_is_searched_for_both() -> None:
    noah = dossier((Mask.GIVEN_NAME, "Noah"))
    (shown,) = TEXTS.masked(["Mia wrote to Noah"], [MIA, noah])
    assert shown == f"{GIVEN} wrote to {in_table(Mask.GIVEN_NAME, 'Noah')}"


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9), st.binary(max_size=3)), max_size=12
)


@given(SPANS)
def test_of_finds_that_overlap_the_longest_counts(places: list[tuple[int, int, bytes]]) -> None:
    text = bytes(range(40))
    spans = [Span(start, start + size, instead) for start, size, instead in places]
    taken: set[int] = set()
    chosen = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if not taken & set(range(span.start, span.end)):
            taken |= set(range(span.start, span.end))
            chosen.append(span)
    expected = text
    for span in sorted(chosen, reverse=True):
        expected = expected[: span.start] + span.instead + expected[span.end :]
    assert replaced(text, spans) == expected
