"""Each import contract is tried: a fault of its kind is planted in a copy, and it must break."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from dev.lint.engine import examine
from dev.lint.source import Source

ROOT: Final = Path(__file__).parents[2]
ROOM: Final = '"""A room for the test."""'


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is planted, and what must come of it.

    Attributes:
        files: path below `src/seatrial` to the text appended there.
        breaks: the contracts that must break.
        may: contracts that break as well once the house has grown in that direction.
    """

    files: Mapping[str, str]
    breaks: frozenset[str]
    may: frozenset[str] = frozenset()


def fault(*breaks: str, files: Mapping[str, str], may: str = "") -> Fault:
    return Fault(files=files, breaks=frozenset(breaks), may=frozenset(may.split()))


FAULTS: Final = {
    # The floors
    "kit imports contract": fault(
        "floors",
        files={"kit/planted.py": "import seatrial.contract"},
        may="no-cycles",
    ),
    "contract imports a room": fault(
        "floors",
        files={"contract/planted.py": "import seatrial.control.catalog"},
        may="no-cycles",
    ),
    "stats imports contract, on its own floor": fault(
        "floors", files={"stats/planted.py": "import seatrial.contract"}
    ),
    "contract imports stats, on its own floor": fault(
        "floors", files={"contract/planted.py": "import seatrial.stats"}
    ),
    "control imports cell": fault(
        "floors", files={"control/watch/planted.py": "import seatrial.cell.runs"}
    ),
    "cell imports control": fault(
        "floors", files={"cell/runs/planted.py": "import seatrial.control.watch"}
    ),
    "cell imports stop": fault("floors", files={"cell/runs/planted.py": "import seatrial.stop"}),
    "data imports a cell": fault(
        "floors", files={"data/planted.py": "import seatrial.cell.runs"}, may="no-cycles"
    ),
    "cli imports main": fault(
        "floors", files={"cli/planted.py": "import seatrial.main.settings"}, may="no-cycles"
    ),
    "a type alone is imported upward": fault(
        "floors",
        files={
            "contract/planted.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import seatrial.control.catalog"
        },
        may="no-cycles",
    ),
    "a folder stands on no floor": fault("floors", files={"extras/__init__.py": ROOM}),
    "a file stands on no floor": fault("floors", files={"extras.py": ""}),
    # The SDK
    "the SDK brings a driver along": fault(
        "light-sdk", "sql", files={"sdk/planted.py": "import psycopg"}
    ),
    "the SDK reaches a database through contract": fault(
        "light-sdk",
        "pure",
        "sql",
        files={
            "sdk/planted.py": "import seatrial.contract.planted",
            "contract/planted.py": "import sqlalchemy",
        },
    ),
    # Console and CLI
    "cli reaches into control": fault(
        "public-apis", files={"cli/planted.py": "import seatrial.control.catalog"}
    ),
    "cli reaches into a cell's service": fault(
        "public-apis",
        files={
            "cli/planted.py": "from seatrial.cell.runs import service",
            "cell/runs/service.py": "",
        },
    ),
    "console reaches into stop": fault(
        "public-apis", files={"console/planted.py": "import seatrial.stop"}
    ),
    # Inside a room
    "a store calls the service above it": fault(
        "storeys",
        files={
            "control/catalog/store.py": "import seatrial.control.catalog.service",
            "control/catalog/service.py": "",
        },
        may="no-cycles",
    ),
    "a domain knows its store": fault(
        "storeys",
        files={
            "control/catalog/domain.py": "import seatrial.control.catalog.store",
            "control/catalog/store.py": "",
        },
        may="no-cycles pure",
    ),
    "one edge leans on another": fault(
        "storeys",
        files={
            "control/catalog/api.py": "import seatrial.control.catalog.cli",
            "control/catalog/cli.py": "",
        },
    ),
    "a stray file carries the store up to the service": fault(
        "storeys",
        files={
            "cell/runs/store.py": "import seatrial.cell.runs.planted",
            "cell/runs/planted.py": "import seatrial.cell.runs.service",
            "cell/runs/service.py": "",
        },
        may="no-cycles",
    ),
    "a file of a store folder calls the service": fault(
        "storeys",
        files={
            "cell/memory/store/__init__.py": ROOM,
            "cell/memory/store/planted.py": "import seatrial.cell.memory.service",
            "cell/memory/service.py": "",
        },
        may="no-cycles",
    ),
    # Other rooms' files
    "a neighbour reads a store": fault(
        "private-files",
        files={
            "cell/runs/service.py": "import seatrial.cell.journal.store",
            "cell/journal/store.py": "",
        },
        may="no-cycles",
    ),
    "a neighbour shows another's pages": fault(
        "private-files",
        files={
            "control/watch/pages.py": "import seatrial.control.catalog.pages",
            "control/catalog/pages.py": "",
        },
    ),
    "a floor above reads a store below": fault(
        "private-files",
        files={"cell/runs/service.py": "import seatrial.data.store", "data/store.py": ""},
    ),
    "a neighbour reads a store one room deeper": fault(
        "private-files",
        files={
            "cell/runs/service.py": "import seatrial.cell.llms.planted.store",
            "cell/llms/planted/__init__.py": ROOM,
            "cell/llms/planted/store.py": "",
        },
    ),
    # Pure rules
    "a domain speaks SQL": fault(
        "pure", "sql", files={"control/catalog/domain.py": "import sqlalchemy"}
    ),
    "a domain takes a connection": fault(
        "pure", files={"control/catalog/domain.py": "import seatrial.kit.database"}
    ),
    "contract reaches a database through another kit file": fault(
        "pure",
        "sql",
        files={
            "contract/planted.py": "import seatrial.kit.planted",
            "kit/planted.py": "import sqlalchemy",
        },
    ),
    "statistics ask a server": fault(
        "pure", files={"stats/planted.py": "import seatrial.kit.http"}
    ),
    "contract hides its import in a function": fault(
        "pure", files={"contract/planted.py": "def f():\n    import aiohttp"}
    ),
    "a domain reads files": fault(
        "pure-at-hand", files={"control/catalog/domain.py": "from pathlib import Path"}
    ),
    "contract starts a loop": fault(
        "pure-at-hand", files={"contract/planted.py": "import asyncio"}
    ),
    # SQL
    "a page speaks SQL": fault("sql", files={"control/catalog/pages.py": "import sqlalchemy"}),
    "a service speaks SQL": fault("sql", files={"cell/runs/service.py": "import sqlite3"}),
    "a second store": fault("sql", files={"control/catalog/store2.py": "import sqlalchemy"}),
    "a drawer speaks SQL": fault("sql", files={"control/catalog/helpers.py": "import psycopg"}),
    # Settings
    "a room reads settings": fault(
        "settings", files={"cell/runs/service.py": "import seatrial.kit.settings"}
    ),
    "a kit file reads settings": fault(
        "settings", files={"kit/planted.py": "import seatrial.kit.settings"}
    ),
    # Frameworks
    "a service knows the terminal": fault(
        "edges-only", files={"control/catalog/service.py": "import click"}
    ),
    "a store knows the web framework": fault(
        "edges-only", files={"control/catalog/store.py": "import fastapi"}
    ),
    "a domain prints tables": fault(
        "edges-only",
        "pure",
        files={"control/catalog/domain.py": "import seatrial.kit.terminal.output"},
    ),
    # Cryptography
    "a room mixes its own cryptography": fault(
        "primitives", files={"cell/vault/service.py": "from cryptography import x509"}
    ),
    # Cycles
    "two files of kit need each other": fault(
        "no-cycles",
        files={
            "kit/planted_a.py": "import seatrial.kit.planted_b",
            "kit/planted_b.py": "import seatrial.kit.planted_a",
        },
    ),
    "two rooms need each other": fault(
        "no-cycles",
        files={
            "cell/runs/service.py": "import seatrial.cell.journal.service",
            "cell/journal/service.py": "import seatrial.cell.runs.service",
        },
    ),
    "a nested room's store calls its service": fault(
        "storeys",
        files={
            "cell/llms/planted/__init__.py": ROOM,
            "cell/llms/planted/store.py": "import seatrial.cell.llms.planted.service",
            "cell/llms/planted/service.py": "",
        },
        may="no-cycles",
    ),
    "contract knows the web framework": fault(
        "pure", files={"contract/planted.py": "import fastapi"}
    ),
    "contract holds a clock": fault(
        "pure-at-hand", files={"contract/planted.py": "import seatrial.kit.clock"}
    ),
}

ALLOWED: Final[dict[str, Mapping[str, str]]] = {
    "a store folder": {
        "cell/memory/store/__init__.py": ROOM,
        "cell/memory/store/planted.py": "import sqlalchemy",
    },
    "main wires a store": {
        "main/planted.py": "import seatrial.cell.journal.store",
        "cell/journal/store.py": "import sqlalchemy",
    },
    "a room in full": {
        "control/catalog/domain.py": "import seatrial.kit.ids, seatrial.contract",
        "control/catalog/store.py": "import sqlalchemy, seatrial.control.catalog.domain",
        "control/catalog/service.py": "import seatrial.control.catalog.store, seatrial.kit.clock",
        "control/catalog/api.py": "import fastapi, seatrial.control.catalog.service",
        "control/catalog/cli.py": "import click, seatrial.kit.terminal.output",
    },
    "a service asks a neighbour's service": {
        "cell/door/service.py": "import seatrial.cell.flags_planted.service",
        "cell/flags_planted/__init__.py": ROOM,
        "cell/flags_planted/service.py": "import seatrial.data, seatrial.kit.http",
    },
    "a migration": {
        "cell/migrations/__init__.py": ROOM,
        "cell/migrations/planted.py": "import alembic, sqlalchemy",
    },
    "kit's own rooms use what they wrap": {
        "kit/database/planted.py": "import sqlalchemy",
        "kit/crypto/planted.py": "import cryptography",
    },
}

# No import contract sees these: a name outside the roles is under none of them. Our lint does.
STRAYS: Final = {
    "a second store over kit's database": (
        "SEA008",
        "control/catalog/store2.py",
        "from seatrial.kit.database import connection",
    ),
    "a drawer": ("SEA006", "control/catalog/helpers.py", ""),
    "a neighbour reads a file without a role": (
        "SEA010",
        "cell/runs/service.py",
        "from seatrial.cell.llms.usage import estimated",
    ),
    "a file without a role knows the web framework": (
        "SEA009",
        "control/catalog/planted.py",
        "import fastapi",
    ),
    "a table of names reaches into a room": (
        "SEA012",
        "cli/planted.py",
        "TABLE = {'agents': 'seatrial.control.catalog.cli:agents'}",
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """The contracts that each fault breaks, all tried in one process on one copy."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    planted = {name: each.files for name, each in FAULTS.items()} | ALLOWED | {"": {}}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("contract_check.py"), ROOT, copy / "src"],
        input=json.dumps(planted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: frozenset(broken) for name, broken in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_its_contract_and_no_other(
    name: str, outcomes: Mapping[str, frozenset[str]]
) -> None:
    expected = FAULTS[name]
    assert outcomes[name] >= expected.breaks
    assert outcomes[name] <= expected.breaks | expected.may | outcomes[""]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_the_design_allows_breaks_nothing(
    name: str, outcomes: Mapping[str, frozenset[str]]
) -> None:
    assert outcomes[name] <= outcomes[""]


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_that_no_contract_sees_is_seen_by_the_lint(name: str) -> None:
    code, place, text = STRAYS[name]
    source = Source(path=place, place=PurePosixPath(place), text=text)
    assert code in {finding.code for finding in examine(source)}


def test_the_house_keeps_every_contract(outcomes: Mapping[str, frozenset[str]]) -> None:
    assert outcomes[""] == frozenset()


def test_every_contract_has_a_planted_fault() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    tried = frozenset[str]().union(*(each.breaks for each in FAULTS.values()))
    assert {contract["id"] for contract in contracts} == tried
