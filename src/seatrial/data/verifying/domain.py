"""What the verifier reports: counts, paths and shares, never a value."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

LAW: Final = (
    "Pseudonymised (GDPR Art. 4(5), Art. 32(1)(a)): still personal data for whoever can link it"
    " back, and to be protected as such."
)
NOT_COVERED: Final = (
    "values of people who are in no table, unless their shape tells or the tagger finds them",
    "nicknames, misspellings and initials of a name; parts of a value shorter than its words",
    "a value reversed, or encoded otherwise than by URL, HTML, JSON or base 64",
    "the content of images, sound and other binary data",
    "who somebody is by what the text tells of them",
    "lower-case words of every day that are also the person's name (counted as ambiguous)",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableReport(_Part):
    """What was compared of one table.

    Attributes:
        records: compared, source and output side by side.
        same: values of a column that is to be masked, found unchanged in their own place.
        uncovered: values in the output that no rule covers.
        changed_types: values whose type, or being empty, has changed.
        repeated: values of unique columns that are there twice, and were not before.
        dangling: references that lead nowhere in the output, and did not before.
        references: how many were followed.
        shapes: values by their shape direct, in columns that are kept, by path.
        dropped: paths of the source that no rule covers; not in the output.
        k: people in the smallest crowd by declared quasi-identifiers; None: none are declared.
        alone: people in crowds smaller than demanded.
    """

    records: int = 0
    same: dict[str, int] = Field(default_factory=dict)
    uncovered: dict[str, int] = Field(default_factory=dict)
    changed_types: dict[str, int] = Field(default_factory=dict)
    repeated: dict[str, int] = Field(default_factory=dict)
    dangling: dict[str, int] = Field(default_factory=dict)
    references: int = 0
    shapes: dict[str, int] = Field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    k: int | None = None
    alone: int = 0


class LeakReport(_Part):
    """Values of people, looked for in every record that speaks of them.

    Attributes:
        records: looked at.
        pairs: of a record and a value of its person.
        direct: pairs whose value is still readable, by the column that holds it in the source.
        quasi: the same of quasi-identifiers that the rules change.
        forms: how often in which form.
        ambiguous: words of every day that are also names: counted, no leak.
        coincidences: short numbers and dates that are pseudonyms of the same person too.
        strangers: values of other people, unique and long enough to be no chance.
        shapes: direct identifiers by shape in free text, not known to be made up, by kind.
    """

    records: int = 0
    pairs: int = 0
    direct: dict[str, int] = Field(default_factory=dict)
    quasi: dict[str, int] = Field(default_factory=dict)
    forms: dict[str, int] = Field(default_factory=dict)
    ambiguous: int = 0
    coincidences: int = 0
    strangers: dict[str, int] = Field(default_factory=dict)
    shapes: dict[str, int] = Field(default_factory=dict)

    @property
    def recall_direct(self) -> float:
        """ER_di of the text anonymization benchmark: share of pairs that are masked."""
        return 1 - sum(self.direct.values()) / self.pairs if self.pairs else 1.0


class CanaryReport(_Part):
    """Planted values of one kind.

    Attributes:
        planted: how many.
        masked: how many are not readable any more.
        low: lower bound of the share masked, 95 % (Wilson).
        by_guise: those still readable, by how the text wrote them.
    """

    planted: int
    masked: int
    low: float
    by_guise: dict[str, int] = Field(default_factory=dict)


class Report(_Part):
    """The whole verdict.

    Attributes:
        passed: whether the snapshot may be loaded.
        findings: each reason why not.
        manifest: digest of the manifest, which names the digest of every file.
        rules: digest of the rules that the verifier was given.
        verified_at: when, in UTC.
        attack: guesses of the dictionary attack: tried, and found.
        not_covered: what a leak could be that nobody looked for.
    """

    passed: bool
    findings: tuple[str, ...]
    name: str
    mode: str
    manifest: str
    rules: str
    verified_at: str
    tables: dict[str, TableReport]
    leaks: LeakReport
    attack: tuple[int, int]
    canaries: dict[str, CanaryReport]
    not_covered: tuple[str, ...] = NOT_COVERED
    law: str = LAW

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return self.model_dump(mode="json")


def findings(
    tables: dict[str, TableReport],
    leaks: LeakReport,
    attack: tuple[int, int],
    canaries: dict[str, CanaryReport],
    *,
    k: int,
    least: float,
) -> tuple[str, ...]:
    """Every reason why the snapshot may not be loaded; counts and places, no values.

    Args:
        tables: what was compared.
        leaks: what was found in records.
        attack: guesses tried and found.
        canaries: by kind.
        k: people that must share each combination of quasi-identifiers.
        least: share of canaries of each kind that must be masked.
    """
    said: list[str] = []
    for name, table in tables.items():
        said += [
            f"{name}: {number} {what} in {path!r}"
            for what, counts in (
                ("unmasked values", table.same),
                ("values that no rule covers", table.uncovered),
                ("values of another type", table.changed_types),
                ("repeated values of a unique column", table.repeated),
                ("references that lead nowhere", table.dangling),
                ("direct identifiers in a kept column", table.shapes),
            )
            for path, number in counts.items()
            if number
        ]
        if table.k is not None and table.k < k and table.records:
            said.append(
                f"{name}: k is {table.k}, not {k}: {table.alone} people stand in smaller crowds"
            )
    for what, counts in (
        ("readable values of the record's person", leaks.direct),
        ("readable quasi-identifiers of the record's person", leaks.quasi),
        ("readable values of other people", leaks.strangers),
        ("direct identifiers by their shape in free text", leaks.shapes),
    ):
        said += [f"{number} {what}: {path!r}" for path, number in counts.items() if number]
    if attack[1]:
        said.append(f"{attack[1]} of {attack[0]} guesses of a dictionary attack are in the output")
    said += [
        f"canaries: {report.masked} of {report.planted} masked of kind {kind!r}"
        for kind, report in canaries.items()
        if report.masked < least * report.planted
    ]
    return tuple(said)
