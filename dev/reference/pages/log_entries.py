"""The page of the log of decisions: every kind of entry that some code appends."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dev.reference.house import PACKAGE, ROOT
from dev.reference.markdown import code, page, section, table
from dev.reference.page import Page

_APPENDS: Final = f"{PACKAGE}.kit.transparency.domain"
_KIND: Final = re.compile(r"[a-z]+\.[a-z]+\Z")
_INTRO: Final = """\
What is written into the [log of decisions](../explanation/audit.md), each entry in the transaction
that made the decision. `actor` is the id of the token or cell that asked, or the process itself;
bodies hold facts and digests, never a payload."""
_CONTROL: Final = "In control's log"
_CELL: Final = "In a cell's log"
MEANINGS: Final[dict[tuple[str, str], str]] = {
    ("control", "cell.enrolled"): "A process of a cell was let in: its keys, its address.",
    ("control", "cell.invited"): "A one-use token was made for a process of a cell.",
    (
        "control",
        "keyring.put",
    ): "A keyring came into force; its digest, its version, how many it names.",
    ("control", "order.kept"): "A signed order was kept until its gates are met.",
    ("control", "release.deployed"): "A release was taken in: author, key, commit, provenance.",
    ("control", "release.vouched"): "Somebody else signed where a release comes from.",
    ("control", "switch.abandoned"): "A generation will not be: the reason, and the cells.",
    ("control", "switch.committed"): "A generation is decided: the cells that had prepared it.",
    ("control", "switch.excluded"): "A cell was left out of a generation by name.",
    ("control", "switch.proposed"): "A generation was begun: verb, closure, base, required cells.",
    ("control", "token.made"): "A token for control's API was made: its name, what it may do.",
    ("control", "token.revoked"): "A token for control's API was revoked.",
    (
        "cell",
        "fixture.made",
    ): "A run left the cell as a masked fixture: by what rules, key, verdict.",
    ("cell", "keyring.taken"): "The cell verified a newer keyring and relies on it.",
    (
        "cell",
        "outcome.cleared",
    ): "Somebody said that a write whose outcome was unknown did not happen.",
    ("cell", "outcome.happened"): "Somebody said that it did.",
    ("cell", "payload.read"): "Somebody read the inputs and outputs of a run that is not his.",
    ("cell", "release.revoked"): "A release may never come into force here again.",
    ("cell", "review.approved"): "Somebody approved a proposed action; the digest of the reason.",
    ("cell", "review.rejected"): "Somebody rejected one.",
    ("cell", "run.abandoned"): "Somebody ended a run that waited.",
    ("cell", "run.restarted"): "Somebody ended a run that waited, and started it anew.",
    ("cell", "run.resumed"): "Somebody let a run go on that had strayed from its record.",
    ("cell", "secret.removed"): "A secret was removed with all its versions; its name.",
    ("cell", "secret.set"): "A secret was set or rotated: its name and version, never its value.",
    (
        "cell",
        "switch.flipped",
    ): "A generation is in force here: what it replaced, by what proposal.",
    ("cell", "switch.prepared"): "Everything for a generation is ready here.",
    ("cell", "switch.refused"): "The cell refused a generation, and why.",
    (
        "cell",
        "token.made",
    ): "A token for this cell's API was made: what it may do, for which tenant.",
    ("cell", "token.revoked"): "A token for this cell's API was revoked.",
}
"""What each kind means, by the process that writes it; held against the code by a test."""


def kinds(root: Path = ROOT) -> dict[tuple[str, str], str]:
    """Where each kind of entry is made, by process and kind."""
    return {
        ("control" if module.startswith(("control.", "main.control")) else "cell", kind): module
        for module, text in _sources(root)
        for kind in _kinds(ast.parse(text))
    }


def writers(root: Path = ROOT) -> set[str]:
    """The modules that make entries."""
    return {module for module, _ in _sources(root)}


def render() -> str:
    """The page for every kind."""
    found = kinds()
    return page(
        "Log entries",
        _INTRO,
        *(
            section(2, title, table(("kind", "what was decided", "written by"), rows))
            for process, title in (("control", _CONTROL), ("cell", _CELL))
            if (
                rows := [
                    (code(kind), MEANINGS.get((each, kind), ""), code(found[each, kind]))
                    for each, kind in sorted(found)
                    if each == process
                ]
            )
        ),
    )


def _sources(root: Path) -> Iterator[tuple[str, str]]:
    package = root / "src" / PACKAGE
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        if f"from {_APPENDS} import" in text and not module.startswith("kit."):
            yield module, text


def _kinds(tree: ast.Module) -> Iterator[str]:
    """The texts that stand where a kind does: named `kind`, or first among what is logged."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Entry"), keywords=keywords):
                yield from _texts(each.value for each in keywords if each.arg == "kind")
            case ast.Call(
                func=ast.Name(id="_log") | ast.Attribute(attr="_log"), args=[_, kind, *_]
            ):
                yield from _texts([kind])
            case ast.Tuple(elts=[kind, _, _]):
                yield from _texts([kind])


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Constant(value=str(text)) if _KIND.match(text):
                yield text


LOG_ENTRIES: Final = Page(path="docs/reference/log-entries.md", render=render)
