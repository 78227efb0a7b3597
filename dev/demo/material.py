"""What the story is told about: our own small shop, or conversations that were recorded elsewhere.

Both have a shop, people's parts of conversations with what their tasks want, and a model for each
of two releases. With our own, a provider speaks by rules and figures are measured here; with
recorded ones it speaks as it did then, and figures are those of the record.
"""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "retail"
_TAU2_SHOP: Final = "tau2_retail_db.json.gz"
_TAU2: Final = {
    "first": ("sierra_gpt41-base_retail_40x1.json.gz", "gpt-4.1"),
    "second": ("sierra_gpt41-sft_retail_40x1.json.gz", "gpt-4.1-2025-04-14"),
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """One set of it.

    Attributes:
        shop: the file that `load.py` reads.
        models: that the two releases pin.
        talks: for each release the file of its conversations.
        imports: how `talks` come out of other people's files, as arguments of the command.
        provider: arguments of `seatrial provider`.
        recorded: whether figures are those of a record.
        second: what the second release is, in words.
    """

    shop: Path
    models: tuple[str, str]
    talks: tuple[str, str]
    imports: tuple[tuple[str, ...], ...]
    provider: tuple[str, ...]
    recorded: bool
    second: str


def own() -> Material:
    """Our own shop; everything it needs is in the example."""
    return Material(
        shop=Path("shop.json"),
        models=("gpt-4.1", "gpt-4.1-mini"),
        talks=("conversations.jsonl", "conversations.jsonl"),
        imports=(),
        provider=("--rules", "model.toml"),
        recorded=False,
        second="a cheaper model",
    )


def tau2(folder: Path, project: Path) -> Material:
    """The retail conversations of tau2-bench in `folder`: 40 of a model, 40 of it fine-tuned."""
    unpacked = project / "tau2-shop.json"
    unpacked.write_bytes(gzip.decompress((folder / _TAU2_SHOP).read_bytes()))
    imports = tuple(
        ("recordings", "import", "--format", "tau2", str(folder / name), "--model", model,
         "--out", f"{release}.jsonl")
        for release, (name, model) in _TAU2.items()
    )  # fmt: skip
    return Material(
        shop=unpacked,
        models=(_TAU2["first"][1], _TAU2["second"][1]),
        talks=("first.jsonl", "second.jsonl"),
        imports=imports,
        provider=("--recordings", "first.jsonl", "--recordings", "second.jsonl"),
        recorded=True,
        second="the same model, fine-tuned",
    )


def copied(project: Path) -> None:
    """The example as a project of its own."""
    shutil.copytree(_EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".seatrial"))


def pinned(project: Path, before: str, after: str) -> None:
    """Let the agent ask another model."""
    for name in ("agent.py", "seatrial.toml"):
        path = project / name
        path.write_text(path.read_text().replace(f'"{before}"', f'"{after}"'))
