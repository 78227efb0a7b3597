"""The tagger: names and addresses in sentences that it has not learned, found in time."""

import gzip
import json
import random
from collections.abc import Iterable
from typing import Final

import numpy as np
import pytest

from seatrial.data.domain import DetectorMissing
from seatrial.data.masking import pools
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.tagging import presidio
from seatrial.data.masking.tagging.presidio import PresidioFinder
from seatrial.data.masking.tagging.tagger import TagFinder, Tagger
from seatrial.data.masking.tagging.training import (
    NAME,
    STREET,
    Sentence,
    default_weights,
    sentences,
    templates,
    trained,
)
from seatrial.data.masking.text import TextMasker
from tests.data.making import RECORDED

GIVEN: Final = (
    *("Mia", "Noah", "Priya", "Tomasz", "Leilani", "Amadou", "Johanna", "Diego", "Sora"),
    *("James", "Mary", "Robert", "Linda", "Fatima", "Chen", "Yusuf", "Olga", "Raj", "Mei"),
    *("Aarav", "Sofia", "Ethan", "Ivan", "Isabella"),
)
FAMILY: Final = (
    *("Okonkwo", "Lindqvist", "Nakamura", "Hernandez", "Fitzgerald", "Abdullah", "Novak"),
    *("Smith", "Johnson", "Li", "Brown", "Garcia", "Martin", "Khan", "Kim", "Nguyen", "Rossi"),
    *("Silva", "Muller", "Davis", "Taylor"),
)
EVERY: Final = Pseudonyms(b"k" * 32)


def scores(tagger: Tagger, texts: Iterable[Sentence], tag: int) -> tuple[float, float]:
    """Share of spans of `tag` of which half is found; share of finds that touch any span."""
    wanted = met = finds = right = 0
    for sentence in texts:
        found = list(tagger.found(sentence.text))
        for start, end, kind in sentence.spans:
            if kind == tag:
                wanted += 1
                covered = sum(max(0, min(end, f.end) - max(start, f.start)) for f in found)
                met += 2 * covered >= end - start
        for hit in found:
            if hit.tag == tag:
                finds += 1
                right += any(s < hit.end and hit.start < e for s, e, _ in sentence.spans)
    return met / wanted, right / finds


@pytest.mark.parametrize("split", [5])
def test_names_in_templates_not_learned_are_found(split: int) -> None:
    every = list(templates())
    random.Random(split).shuffle(every)  # noqa: S311 - repeatable
    learned, kept_back = every[: len(every) * 3 // 4], every[len(every) * 3 // 4 :]
    draw = random.Random(1)  # noqa: S311 - repeatable
    made_up = [
        (draw.choice(pools.pool(pools.GIVEN)), draw.choice(pools.pool(pools.FAMILY)))
        for _ in range(6_000)
    ]
    tagger = Tagger(trained(sentences(learned, made_up, each=30, seed="learned")))
    real = [(given, family) for given in GIVEN for family in FAMILY]
    unseen = list(sentences(kept_back, real, each=30, seed="unseen"))
    recall, precision = scores(tagger, unseen, NAME)
    assert recall >= 0.90
    assert precision >= 0.85
    assert scores(tagger, unseen, STREET)[0] >= 0.95


def test_training_comes_to_the_same_weights_each_time() -> None:
    few = list(sentences(templates()[:20], [("Aba", "Cede")], each=3, seed="same"))
    assert np.array_equal(trained(few), trained(few))


def test_most_names_of_foreign_sentences_are_found() -> None:
    path = RECORDED.parent / "masking" / "pii_generated_large.json.gz"
    if not path.exists():
        pytest.skip(f"the labelled sentences are not here: {path}")
    kinds = {"PERSON": NAME, "ADDRESS": STREET}
    texts = [
        Sentence(
            item["full_text"],
            [(s["start_position"], s["end_position"], kinds.get(s["entity_type"], 3))
             for s in item["spans"]],
        )
        for item in json.loads(gzip.decompress(path.read_bytes()))
    ]  # fmt: skip
    recall, precision = scores(Tagger(), texts, NAME)
    assert recall >= 0.90
    assert precision >= 0.80


def test_who_is_in_no_record_is_masked_as_the_tables_would() -> None:
    texts = TextMasker(None, [TagFinder(Tagger(default_weights()), EVERY)])
    text = "I spoke with Olga Lindqvist, who moved to 12 Harbour Road. “Yes”, said Olga Lindqvist."
    (masked,) = texts.masked([text], [])
    assert "Olga" not in masked
    assert "Lindqvist" not in masked
    assert "Harbour" not in masked
    assert masked.count(EVERY.name("Olga Lindqvist")) == 2
    assert "“Yes”" in masked


def test_a_detector_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio, "AnalyzerEngine", None)
    with pytest.raises(DetectorMissing, match="presidio"):
        PresidioFinder(EVERY)


class _Hit:
    entity_type, start, end, score = "PERSON", 3, 7, 0.9


class _Engine:
    def analyze(self, **_: object) -> list[_Hit]:
        return [_Hit()]


def test_what_an_outside_detector_finds_gets_our_pseudonym() -> None:
    texts = TextMasker(None, [PresidioFinder(EVERY, _Engine())])
    assert texts.masked(["é: Olga!"], []) == [f"é: {EVERY.name('Olga')}!"]


def test_words_of_every_day_and_names_of_members_stay() -> None:
    texts = TextMasker(None, [TagFinder(Tagger(), EVERY)])
    inner = json.dumps({"dob": "1990", "note": "no problem, thank you", "city": "x"})
    (masked,) = texts.masked([inner], [])
    assert json.loads(masked).keys() == {"dob", "note", "city"}
    assert "no problem" in masked


def test_a_small_word_is_a_name_only_beyond_doubt_where_the_line_has_capitals() -> None:
    texts = TextMasker(None, [TagFinder(Tagger(), EVERY)])
    stays = "Is there a better crafted pop song on this list? I\\'m glad that it came."
    assert texts.masked([stays], []) == [stays]
    for line in ("hi, my name is olga lindqvist", "Hello. My name is olga lindqvist."):
        (masked,) = texts.masked([line, "SO BE IT"], [])[:1]
        assert "olga" not in masked
        assert "lindqvist" not in masked
