"""Presidio as one more detector, where a team has installed it; with patterns alone, no model."""

from collections.abc import Iterable
from typing import Any, Final

from seatrial.data.domain import DetectorMissing
from seatrial.data.masking.dossiers import Span
from seatrial.data.masking.pseudonyms import REDACTED, Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.rules.domain import Class, ColumnRule, Mask

try:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider
except ModuleNotFoundError:  # optional, and large
    AnalyzerEngine = NlpEngineProvider = None

_BY_TYPE: Final = {
    "PERSON": Mask.NAME,
    "EMAIL_ADDRESS": Mask.EMAIL,
    "PHONE_NUMBER": Mask.PHONE,
    "CREDIT_CARD": Mask.CARD,
    "IBAN_CODE": Mask.IBAN,
    "IP_ADDRESS": Mask.IP,
    "US_SSN": Mask.NUMBER,
}
_SCORE: Final = 0.4  # below it, any run of digits is a licence
_ENGINE: Final = {
    "nlp_engine_name": "no_op",
    "models": [{"lang_code": "en", "model_name": "none"}],
}


class PresidioFinder:
    """Asks Presidio; what it finds becomes what the tables show.

    Args:
        pseudonyms: under the snapshot's key.
        engine: made already, with a model of the team's own; by default one without a model.

    Raises:
        DetectorMissing: it is not installed.
    """

    def __init__(self, pseudonyms: Pseudonyms, engine: Any = None) -> None:  # noqa: ANN401 - no types
        if engine is None:
            if AnalyzerEngine is None:
                raise DetectorMissing(name="presidio")
            provider = NlpEngineProvider(nlp_configuration=_ENGINE)
            engine = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])
        self._engine = engine
        rules = {kind: ColumnRule(kind=Class.DIRECT, mask=mask, keep=0)
                 for kind, mask in _BY_TYPE.items()}  # fmt: skip
        self._masks = {
            kind: pseudonyms.text_mask(rule, rule.domain_in("", kind))
            for kind, rule in rules.items()
        }

    def __call__(self, text: bytes) -> Iterable[Span]:
        """Whatever Presidio is sure enough of."""
        shown = text.decode(errors="surrogateescape")
        for hit in self._engine.analyze(text=shown, language="en", entities=list(_BY_TYPE)):
            if hit.score >= _SCORE and "\0" not in shown[hit.start : hit.end]:
                start = len(shown[: hit.start].encode(errors="surrogateescape"))
                value = shown[hit.start : hit.end]
                end = start + len(value.encode(errors="surrogateescape"))
                yield Span(start, end, self._masked(hit.entity_type, value).encode())

    def _masked(self, kind: str, value: str) -> str:
        try:
            return self._masks[kind](value)
        except Unfit:
            return REDACTED
