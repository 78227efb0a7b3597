"""Agents for the line: small projects as they lie in a folder, and releases made of them."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from seatrial.cli.project.release import Built, build_release, open_project

ECHO: Final = """
    def run(input, context):
        return {"release": context.release, "version": "{version}", "echo": input}
    """
"""Answers at once with the release that it is."""

SLOW: Final = """
    import time

    def run(input, context):
        time.sleep(input["seconds"])
        return {"release": context.release, "version": "{version}"}
    """

STREAM: Final = """
    import time

    def run(input, context):
        for number in range(input["count"]):
            yield f"{number} "
            time.sleep(input.get("pause", 0))
    """


def project(
    folder: Path,
    source: str,
    *,
    name: str = "support",
    version: str = "1",
    files: Mapping[str, str] | None = None,
    limits: str = "",
) -> Path:
    """A project in `folder`, written anew; `{version}` in the source is filled in."""
    folder.mkdir(parents=True, exist_ok=True)
    code = textwrap.dedent(source).replace("{version}", version)
    (folder / "agent.py").write_text(code)
    (folder / "seatrial.toml").write_text(
        f'[agent]\nname = "{name}"\nentry = "agent.py:run"\n[limits]\n'
        f"timeout_seconds = 60\nsteps = 20\ncost_usd = 1.0\n{limits}"
    )
    for path, text in (files or {}).items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
    return folder


def built(folder: Path) -> Built:
    """The release that the project in `folder` is."""
    return build_release(open_project(folder), {"PATH": "/usr/bin:/bin"})
