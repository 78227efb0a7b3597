"""The page of our own lint rules."""

from typing import Final

from dev.lint.registry import RULES, WAIVER
from dev.lint.rule import Rule
from dev.reference.markdown import block, page, section, table
from dev.reference.page import Page

_INTRO: Final = """\
`python -m dev.lint src` sees what the design forbids and no general tool can see. `make check` runs
it after ruff, mypy and the import contracts, whose ground it leaves to them. It answers with one
line for each finding, and exits 1 if there is any:"""
_FORM: Final = "path:line:column: CODE what it found; why that is wrong; what to write instead"
_WAIVER: Final = """\
A place that must break a rule says so, with its reason, behind the code or alone on the line above.
The comment covers that statement, or the head of that block."""
_EXAMPLE: Final = """\
started = time.monotonic()  # lint: SEA002 because no clock exists yet here"""


def render() -> str:
    """The page for every rule."""
    return page(
        "Our own lint",
        _INTRO,
        block("text", _FORM),
        table(("code", "promise"), [(_link(rule), rule.promise) for rule in (*RULES, WAIVER)]),
        section(2, "Waivers", _WAIVER, block("python", _EXAMPLE)),
        section(2, "Rules"),
        *(_entry(rule) for rule in (*RULES, WAIVER)),
    )


def _link(rule: Rule) -> str:
    return f"[{rule.code}](#{rule.code.lower()})"


def _entry(rule: Rule) -> str:
    return section(
        3,
        rule.code,
        rule.promise,
        f"**Why:** {_sentence(rule.why)}",
        f"**Remedy:** {_sentence(rule.remedy)}",
    )


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


LINT: Final = Page(path="docs/reference/lint.md", render=render)
