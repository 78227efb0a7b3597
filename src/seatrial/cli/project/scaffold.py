"""The files that `seatrial init` writes: an agent that works at once, without any key."""

import re
from pathlib import Path
from typing import Final

from seatrial.cli.project.domain import ProjectExists

_MANIFEST: Final = """\
# What this agent is. Every field: docs/reference/project.md

[agent]
name = "{name}"
entry = "agent.py:run"
description = "Sorts requests by team and urgency."

# Pinned by exact name; in staging and production nothing else may be asked for.
# [models]
# main = "openai:gpt-4.1-mini-2025-04-14"

[prompts]
system = "prompts/system.md"

[limits]
timeout_seconds = 60
steps = 20
cost_usd = 0.50

# A secret stands here by the name of a variable, never by its value.
# Lay the value into a vault with: seatrial secrets set openai --env staging
[secrets]
openai = "OPENAI_API_KEY"
"""

_PYPROJECT: Final = """\
[project]
name = "{name}"
version = "0"
requires-python = ">=3.11"
dependencies = []
"""

_AGENT: Final = '''\
"""An agent that sorts requests by team and urgency. Replace it with your own, piece by piece."""

import json
import os
import re
import urllib.request
from pathlib import Path

TEAMS = {
    "billing": r"refund|invoice|charge|paid|payment",
    "delivery": r"parcel|deliver|late|track",
    "account": r"password|log ?in|email|delete",
}


def run(input):
    """Seatrial calls this with any JSON value, and takes any JSON value as the answer.

    It may as well be `async def`, a generator (each `yield` is streamed), or take a second
    argument, the context: run, attempt, session and its history, deadline.
    """
    text = input if isinstance(input, str) else str((input or {}).get("text", ""))
    team = next((team for team, words in TEAMS.items() if re.search(words, text, re.I)), "support")
    urgent = bool(re.search(r"urgent|now|immediately|asap|!", text, re.I))
    return {"team": team, "urgency": "high" if urgent else "normal"}


def ask_model(text):
    """How to ask a model instead, with nothing installed: name `main` under [models] first.

    The address and the key are in the environment, wherever this runs. Any OpenAI or Anthropic
    client finds them by itself; your provider's real key stays in the vault.
    """
    answer = _post(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        os.environ["OPENAI_API_KEY"],
        {
            "model": "gpt-4.1-mini-2025-04-14",
            "messages": [
                {"role": "system", "content": prompt("system")},
                {"role": "user", "content": text},
            ],
        },
    )
    return answer["choices"][0]["message"]["content"]


def prompt(name):
    """The prompt that this release pins; from its file where no cell is at hand."""
    url = os.environ.get("SEATRIAL_URL")
    if not url:
        return Path(f"prompts/{name}.md").read_text(encoding="utf-8")
    return _get(f"{url}/v1/prompts/{name}", os.environ["SEATRIAL_TOKEN"])["text"]


def _get(url, key):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _post(url, key, body):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
'''

_PROMPT: Final = """\
You sort requests. Answer with one JSON object: `team` is billing, delivery, account or support;
`urgency` is high or normal.
"""

_IGNORED: Final = """\
.seatrial/
.venv/
__pycache__/
.env
"""

_NAME: Final = re.compile(r"[^a-z0-9]+")


def name_of(folder: Path) -> str:
    """An agent's name made of the folder's."""
    slug = _NAME.sub("-", folder.absolute().name.lower()).strip("-")[:63].strip("-")
    return slug if slug and slug[0].isalpha() else "my-agent"


def write(folder: Path, name: str) -> tuple[str, ...]:
    """Write the files of a new project, and return their paths. Nothing is overwritten.

    Raises:
        ProjectExists: one of those that make the project is there; then none is written.
    """
    files = {
        "seatrial.toml": _MANIFEST.replace("{name}", name),
        "agent.py": _AGENT,
        "prompts/system.md": _PROMPT,
    }
    spared = {"pyproject.toml": _PYPROJECT.replace("{name}", name), ".gitignore": _IGNORED}
    for path in files:
        if (folder / path).exists():
            raise ProjectExists(path=str(folder / path))
    written = files | {
        path: content for path, content in spared.items() if not (folder / path).exists()
    }
    for path, content in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8", newline="\n")
    return tuple(written)
