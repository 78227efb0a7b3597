"""Masks the verifier's planted values as the snapshot's texts are masked."""

from collections.abc import Sequence
from typing import Final

import orjson

from seatrial.data.masking.dossiers import Dossier
from seatrial.data.masking.patterns import Patterns
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.renderings import renderings
from seatrial.data.masking.text import Finder, TextMasker
from seatrial.data.rules.domain import Class, ColumnRule, Mask, Rules
from seatrial.data.verifying.canaries import Canary, planted

_EACH: Final = 12  # of every kind and guise: some 700 in all


def masked_canaries(
    rules: Rules, digest: str, pseudonyms: Pseudonyms, finders: Sequence[Finder]
) -> bytes:
    """The texts of all canaries, masked, as JSON; `digest`, of the rules, is their seed."""
    patterns = Patterns(pseudonyms) if rules.text.patterns else None
    texts = TextMasker(patterns, finders)
    shown = [
        texts.masked([canary.text], [_dossier(rules, canary, pseudonyms)])[0]
        for canary in planted(digest, _EACH)
    ]
    return orjson.dumps({"each": _EACH, "texts": shown})


def _dossier(rules: Rules, canary: Canary, pseudonyms: Pseudonyms) -> Dossier:
    if not canary.linked:
        return Dossier(())
    rule = ColumnRule(kind=Class.DIRECT, mask=Mask(canary.kind))
    domain = rule.domain_in("canaries", canary.kind)
    days = pseudonyms.shift("canary", rules.shift_days)
    return Dossier(renderings(pseudonyms, rule, domain, canary.value, days=days))
