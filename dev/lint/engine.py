"""Apply the rules to files, and let waivers speak."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.lint.registry import RULES, WAIVER
from dev.lint.rule import Finding, Rule, Sighting
from dev.lint.source import Source, read
from dev.lint.waivers import Waiver, waivers


def lint(paths: Iterable[Path]) -> list[Finding]:
    """Everything that breaks a rule at or under `paths`, in order.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: a path is not under `src/seatrial`.
    """
    return sorted(finding for source in read(paths) for finding in examine(source))


def examine(source: Source) -> Iterator[Finding]:
    """Everything that breaks a rule in one file."""
    try:
        granted = waivers(source)
    except SyntaxError as error:
        what = f"the file is no Python ({error.msg}), so no rule and no waiver can be read"
        broken = Sighting(line=error.lineno or 1, column=error.offset or 1, what=what)
        yield _finding(source, WAIVER, broken)
        return
    used: set[tuple[Waiver, str]] = set()
    for rule in RULES:
        for sighting in rule.check(source):
            pardons = {(each, rule.code) for each in granted if _covers(each, rule, sighting)}
            used |= pardons
            if not pardons:
                yield _finding(source, rule, sighting)
    for sighting in _misused(granted, used):
        yield _finding(source, WAIVER, sighting)


def _covers(waiver: Waiver, rule: Rule, sighting: Sighting) -> bool:
    return rule.code in waiver.codes and sighting.line in waiver.lines


def _misused(granted: list[Waiver], used: set[tuple[Waiver, str]]) -> Iterator[Sighting]:
    known = {rule.code for rule in RULES}
    for waiver in granted:
        if not waiver.codes:
            yield _said(waiver, "a waiver without its reason")
        for code in waiver.codes:
            if code not in known:
                yield _said(waiver, f"a waiver of {code}, which is no rule")
            elif (waiver, code) not in used:
                yield _said(waiver, f"a waiver of {code} where nothing breaks it")


def _said(waiver: Waiver, what: str) -> Sighting:
    return Sighting(line=waiver.line, column=waiver.column, what=what)


def _finding(source: Source, rule: Rule, sighting: Sighting) -> Finding:
    return Finding(
        path=source.path,
        line=sighting.line,
        column=sighting.column,
        code=rule.code,
        what=sighting.what,
        why=rule.why,
        remedy=rule.remedy,
    )
