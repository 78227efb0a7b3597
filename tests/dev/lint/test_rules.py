"""Each rule against code that breaks it and code that comes near."""

from pathlib import PurePosixPath
from typing import Final, NamedTuple

import pytest

from dev.lint.engine import examine
from dev.lint.registry import RULES
from dev.lint.rule import Finding
from dev.lint.source import Source


class Sample(NamedTuple):
    place: str
    text: str


SERVICE: Final = "control/catalog/service.py"
DOMAIN: Final = "control/catalog/domain.py"
EDGE: Final = "control/catalog/api.py"

CAUGHT: Final[dict[str, list[Sample]]] = {
    "SEA001": [
        Sample(SERVICE, "def save(connection):\n    connection.commit()\n"),
        Sample(SERVICE, "def save(c):\n    with c.begin_nested():\n        pass\n"),
        Sample(SERVICE, "def save(self):\n    self._connection.rollback(to=1)\n"),
        Sample(EDGE, "def save(engine, later):\n    later(engine.begin)\n"),
    ],
    "SEA002": [
        Sample(SERVICE, "from datetime import UTC, datetime\nNOW = datetime.now(UTC)\n"),
        Sample(SERVICE, "import datetime as dt\nprint(dt.datetime.utcnow())\n"),
        Sample(DOMAIN, "import time\ndef f(read=time.monotonic): ...\n"),
        Sample("kit/http/client.py", "from time import perf_counter as tick\ntick()\n"),
        Sample("main/start.py", "from datetime import date\ndate.today().isoformat()\n"),
    ],
    "SEA003": [
        Sample(DOMAIN, "import random\nrandom.shuffle([])\n"),
        Sample(DOMAIN, "import random\nrng = random.Random()\n"),
        Sample("contract/manifest.py", "from uuid import uuid4\nuuid4()\n"),
        Sample("stats/bets.py", "import numpy as np\nnp.random.default_rng()\n"),
        Sample("stats/bets.py", "import numpy as np\nnp.random.default_rng(seed=None)\n"),
        Sample("stats/bets.py", "from numpy.random import normal\nnormal(0, 1)\n"),
        Sample("cell/journal/matching.py", "import secrets\nsecrets.token_hex()\n"),
        Sample("contract/flags.py", "def bucket(user):\n    return hash(user) % 100\n"),
    ],
    "SEA004": [
        Sample(SERVICE, "import os\nhome = os.environ['HOME']\n"),
        Sample("kit/crypto/keys.py", "from os import getenv\ngetenv('KEY')\n"),
        Sample("cell/hosts/start.py", "import os\nos.environ.get('PATH')\n"),
    ],
    "SEA005": [
        Sample("cell/runs/__init__.py", ""),
        Sample("cell/runs/__init__.py", '"""Runs agents, here."""\nfrom os import path\n'),
        Sample("cell/runs/__init__.py", f'"""Runs {"very " * 20}many agents."""\n'),
        Sample("cell/runs/__init__.py", '"""Runs."""\n'),
        Sample("cell/runs/__init__.py", '"""The room of runs"""\n'),
    ],
    "SEA006": [
        Sample("cell/runs/utils.py", ""),
        Sample("kit/http_helpers.py", ""),
        Sample("contract/base.py", ""),
        Sample("control/catalog/models.py", ""),
        Sample(SERVICE, "class LeaseManager:\n    pass\n"),
    ],
    "SEA007": [
        Sample(SERVICE, "def f(c):\n    c.execute('select 1')\n"),
        Sample(SERVICE, "from x import text\ndef f(c, n):\n    c.scalar(text(f'DELETE {n}'))\n"),
        Sample(SERVICE, "def f(c, q):\n    c.exec_driver_sql(q)\n"),
        Sample(SERVICE, "def f(c, n):\n    c.execute('delete from ' + n)\n"),
        Sample(EDGE, "QUERY = '''\n    SELECT *\n    FROM runs\n'''\n"),
        Sample("main/start.py", "SETUP = 'CREATE TABLE runs (id)'\n"),
    ],
    "SEA008": [
        Sample("control/catalog/store2.py", ""),
        Sample("cell/runs/claims_store.py", ""),
        Sample("cell/runs/services.py", ""),
        Sample("cell/tools/repository.py", ""),
        Sample("data/domain_rules.py", ""),
        Sample("control/watch/stores/__init__.py", '"""Where watches are kept."""\n'),
    ],
    "SEA009": [
        Sample(SERVICE, "import click\n"),
        Sample("cell/runs/claims.py", "from fastapi import APIRouter\n"),
        Sample("control/catalog/store.py", "from sqlalchemy.orm import Session\n"),
        Sample(EDGE, "from starlette.middleware.base import BaseHTTPMiddleware\n"),
        Sample("cell/llms/openai.py", "import httpx\n"),
        Sample(EDGE, "from jinja2 import Template\n"),
    ],
    "SEA010": [
        Sample("cell/door/service.py", "from seatrial.cell.runs.claims import claim\n"),
        Sample("cell/door/service.py", "from seatrial.cell.runs import claims\n"),
        Sample("control/watch/api.py", "import seatrial.control.rollouts.stages\n"),
    ],
    "SEA011": [
        Sample(SERVICE, "try:\n    f()\nexcept Exception:\n    pass\n"),
        Sample(SERVICE, "for x in y:\n    try:\n        f()\n    except:\n        continue\n"),
        Sample(
            SERVICE, "def g():\n    try:\n        f()\n    except (A, Exception):\n        return\n"
        ),
        Sample(SERVICE, "import contextlib\nwith contextlib.suppress(Exception):\n    f()\n"),
        Sample(
            SERVICE,
            "import asyncio\nasync def f(a):\n"
            "    await asyncio.gather(*a, return_exceptions=True)\n",
        ),
    ],
    "SEA012": [
        Sample(SERVICE, "import importlib\nimportlib.import_module('x')\n"),
        Sample("cli/runs.py", "TABLE = {'a': 'seatrial.control.catalog.cli:agents'}\n"),
        Sample("kit/terminal/frame.py", "X = 'seatrial.main.settings:Settings'\n"),
        Sample("stop/stopd.py", "__import__('seatrial.cell')\n"),
    ],
    "SEA013": [
        Sample(DOMAIN, "async def decide(): ...\n"),
        Sample("contract/closure.py", "def read(path):\n    return open(path).read()\n"),
        Sample("stats/bets.py", "def bet(x):\n    print(x)\n"),
        Sample("stats/bets.py", "def bet(x):\n    global last\n    last = x\n"),
        Sample("cell/journal/domain/matching.py", "async def f():\n    await g()\n"),
    ],
    "SEA014": [
        Sample(DOMAIN, "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"),
        Sample(
            "contract/gates.py",
            "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass A:\n    x: int\n",
        ),
    ],
    "SEA015": [
        Sample("cell/hosts/start.py", "import subprocess\nsubprocess.run(['a'], check=True)\n"),
        Sample("main/supervisor.py", "import asyncio\nasyncio.create_subprocess_exec('a')\n"),
        Sample(SERVICE, "import os\nos.system('ls')\n"),
    ],
    "SEA016": [
        Sample(SERVICE, "LIMIT = 3\n"),
        Sample(SERVICE, "_LIMIT = 3\n"),
    ],
}

PASSED: Final[dict[str, list[Sample]]] = {
    "SEA001": [
        Sample("kit/database/sqlite.py", "def save(connection):\n    connection.commit()\n"),
        Sample(SERVICE, "def move(switch, g):\n    switch.commit(g)\n"),
        Sample(EDGE, "def back(promotions, cell):\n    promotions.rollback(cell, to=3)\n"),
    ],
    "SEA002": [
        Sample("kit/clock.py", "import time\ntime.time()\n"),
        Sample(SERVICE, "from datetime import datetime\ndef f(clock) -> datetime:\n"
               "    return clock.now()\n"),
        Sample(DOMAIN, "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)\n"),
        Sample(SERVICE, "def f(time):\n    return time.time()\n"),
    ],
    "SEA003": [
        Sample(SERVICE, "import secrets\nsecrets.token_hex()\n"),
        Sample("kit/ids.py", "import secrets\nsecrets.randbits(80)\n"),
        Sample(DOMAIN, "import random\ndef draw(rng: random.Random):\n    return rng.random()\n"),
        Sample("stats/bets.py", "import numpy as np\nnp.random.default_rng(7)\n"),
        Sample(DOMAIN, "from uuid import UUID, uuid5\ndef f(a: UUID):\n    return uuid5(a, 'x')\n"),
    ],
    "SEA004": [
        Sample("kit/settings.py", "import os\nos.environ['HOME']\n"),
        Sample("main/settings.py", "from os import environ\nenviron['HOME']\n"),
        Sample(SERVICE, "import os\nos.getpid()\n"),
    ],
    "SEA005": [
        Sample("cell/runs/__init__.py", '"""Runs agents, once.\n\nMore of it.\n"""\n'),
        Sample("cell/runs/service.py", ""),
    ],
    "SEA006": [
        Sample("kit/http/base_url.py", ""),
        Sample("cell/llms/model_pins.py", ""),
        Sample(SERVICE, "class Managers_of_none: ...\nclass Ledger: ...\n"),
    ],
    "SEA007": [
        Sample("control/catalog/store.py", "def f(c):\n    c.execute('select 1')\n"),
        Sample("cell/runs/store/claims.py", "Q = 'SELECT a FROM b'\n"),
        Sample("cell/migrations/v0001.py", "Q = 'CREATE TABLE b (c)'\n"),
        Sample("kit/database/dialects.py", "def f(c):\n    c.exec_driver_sql('PRAGMA x')\n"),
        Sample(SERVICE, "def f(c, q):\n    '''SELECT a FROM b'''\n    c.execute(q)\n"),
        Sample(SERVICE, "TITLE = 'Select a release from the list'\n"),
    ],
    "SEA008": [
        Sample("control/catalog/store.py", ""),
        Sample("control/catalog/store/releases.py", ""),
        Sample("cell/journal/matching.py", ""),
        Sample("cell/runs/restore.py", ""),
        Sample("kit/database/store2.py", ""),
    ],
    "SEA009": [
        Sample("control/catalog/cli.py", "import click\n"),
        Sample("kit/terminal/frame.py", "import click\n"),
        Sample(EDGE, "from fastapi import APIRouter\n"),
        Sample("kit/http/client.py", "import pyreqwest\n"),
        Sample("control/catalog/store.py", "from sqlalchemy import select\n"),
        Sample(SERVICE, "import clickhouse\n"),
    ],
    "SEA010": [
        Sample("cell/door/service.py", "from seatrial.cell.runs.service import accept\n"),
        Sample("cell/door/service.py", "from seatrial.cell.runs.domain import Run\n"),
        Sample("cell/door/service.py", "from seatrial.cell.domain import Place\n"),
        Sample("cell/runs/service.py", "from seatrial.cell.runs.claims import claim\n"),
        Sample("main/wiring.py", "from seatrial.cell.runs.store import claim\n"),
        Sample("cell/door/service.py", "from seatrial.contract.gates import decide\n"),
    ],
    "SEA011": [
        Sample(SERVICE, "try:\n    f()\nexcept OSError:\n    pass\n"),
        Sample(SERVICE, "try:\n    f()\nexcept Exception as error:\n    log(error)\n"),
        Sample(SERVICE, "try:\n    f()\nexcept Exception:\n    raise\n"),
        Sample(SERVICE, "import contextlib\nwith contextlib.suppress(KeyError):\n    f()\n"),
        Sample(
            SERVICE,
            "import asyncio\nasync def f(a):\n"
            "    return await asyncio.gather(*a, return_exceptions=True)\n",
        ),
        Sample(
            SERVICE,
            "import asyncio\nasync def stop(task):\n    task.cancel()\n"
            "    await asyncio.gather(task, return_exceptions=True)\n",
        ),
    ],
    "SEA012": [
        Sample("main/command.py", "T = {'a': 'seatrial.control.catalog.cli:agents'}\n"),
        Sample("cli/group.py", "T = {'a': 'seatrial.cli.runs:runs'}\n"),
        Sample("cell/hosts/start.py", "import importlib\nimportlib.import_module('agent')\n"),
        Sample(SERVICE, "'''seatrial.control.audit.service:append'''\n"),
    ],
    "SEA013": [
        Sample(SERVICE, "async def serve(): ...\n"),
        Sample("cell/hosts/start.py", "def read(path):\n    return open(path)\n"),
        Sample(DOMAIN, "def decide(door):\n    return door.open()\n"),
    ],
    "SEA014": [
        Sample(
            DOMAIN,
            "from dataclasses import dataclass\n"
            "@dataclass(frozen=True, kw_only=True)\nclass A:\n    x: int\n",
        ),
        Sample(SERVICE, "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"),
        Sample(DOMAIN, "from typing import final\n@final\nclass A:\n    pass\n"),
    ],
    "SEA015": [
        Sample("cell/hosts/start.py", "import subprocess\nsubprocess.run(['a'], env={})\n"),
        Sample("cell/hosts/start.py", "import subprocess\nsubprocess.run(['a'], **given)\n"),
        Sample(SERVICE, "import os\nos.execve('a', [], {})\n"),
    ],
    "SEA016": [
        Sample(SERVICE, "from typing import Final\nLIMIT: Final = 3\n"),
        Sample(SERVICE, "T = int\nlimit = 3\n"),
    ],
}  # fmt: skip


def each(samples: dict[str, list[Sample]]) -> list[tuple[str, Sample]]:
    return [(code, sample) for code, group in samples.items() for sample in group]


def findings(sample: Sample, code: str) -> list[Finding]:
    source = Source(
        path=f"src/seatrial/{sample.place}", place=PurePosixPath(sample.place), text=sample.text
    )
    return [finding for finding in examine(source) if finding.code == code]


@pytest.mark.parametrize(("code", "sample"), each(CAUGHT))
def test_a_broken_rule_is_found(code: str, sample: Sample) -> None:
    assert findings(sample, code)


@pytest.mark.parametrize(("code", "sample"), each(PASSED))
def test_code_that_keeps_the_rule_passes(code: str, sample: Sample) -> None:
    assert findings(sample, code) == []


@pytest.mark.parametrize(("code", "sample"), each(CAUGHT))
def test_a_waiver_with_its_reason_lets_one_place_pass(code: str, sample: Sample) -> None:
    waived = _waived(sample, code, f"# lint: {code} because the sample needs it")
    assert findings(waived, code) == []
    assert findings(waived, "SEA000") == []


@pytest.mark.parametrize(("code", "sample"), each(CAUGHT))
def test_a_waiver_without_reason_pardons_nothing_and_is_found_itself(
    code: str, sample: Sample
) -> None:
    waived = _waived(sample, code, f"# lint: {code}")
    assert findings(waived, code)
    assert findings(waived, "SEA000")


def test_every_rule_has_samples_on_both_sides() -> None:
    codes = {rule.code for rule in RULES}
    assert CAUGHT.keys() == PASSED.keys() == codes


def test_codes_are_unique_and_rise() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == [f"SEA{number:03}" for number in range(1, len(RULES) + 1)]


def test_each_rule_speaks_in_one_form() -> None:
    for rule in RULES:
        assert rule.promise[0].isupper()
        assert rule.promise.endswith(".")
        for clause in (rule.why, rule.remedy):
            assert clause[0].islower()
            assert not clause.endswith(".")
            assert ";" not in clause


def _waived(sample: Sample, code: str, comment: str) -> Sample:
    """The sample with a comment above the first line that breaks the rule, and no other."""
    first, *others = findings(sample, code)
    assert not others, "a sample breaks its rule once"
    lines = sample.text.splitlines()
    broken = lines[first.line - 1] if lines else ""
    indent = " " * (len(broken) - len(broken.lstrip()))
    lines.insert(first.line - 1, f"{indent}{comment}")
    return Sample(sample.place, "\n".join(lines) + "\n")
