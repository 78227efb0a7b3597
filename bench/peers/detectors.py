"""Presidio, scrubadub and DataFog at the work of `bench.masking`, each under its interpreter."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from bench.peers.masking_load import TRANSCRIPTS
from bench.work import Work

_SHARE = 67  # they are slow: each gets fifteen of the thousand transcripts


def presidio() -> Iterator[Work]:
    analyzer = importlib.import_module("presidio_analyzer")
    nlp = importlib.import_module("presidio_analyzer.nlp_engine")
    provider: Any = nlp.NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "no_op",
            "models": [{"lang_code": "en", "model_name": "none"}],
        }
    )
    engine = analyzer.AnalyzerEngine(
        nlp_engine=provider.create_engine(), supported_languages=["en"]
    )

    def mask(text: str) -> str:
        for hit in sorted(engine.analyze(text=text, language="en"), key=lambda hit: -hit.start):
            text = f"{text[: hit.start]}<{hit.entity_type}>{text[hit.end :]}"
        return text

    yield _work(mask)


def scrubadub() -> Iterator[Work]:
    scrubber: Any = importlib.import_module("scrubadub").Scrubber()
    yield _work(scrubber.clean)


def datafog() -> Iterator[Work]:
    client: Any = importlib.import_module("datafog")
    yield _work(lambda text: client.redact(text).redacted_text)


def _work(mask: Callable[[str], str]) -> Work:
    texts = [text for _, texts in TRANSCRIPTS[::_SHARE] for text in texts]
    size = sum(len(text.encode()) for text in texts)

    def work() -> int:
        for text in texts:
            mask(text)
        return size // 1000

    return work
