"""SEA015: a child process gets an environment that is spelled out."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_STARTS: Final = frozenset(
    {
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
        "subprocess.Popen",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.run",
    }
)
_INHERITS: Final = frozenset(
    {
        *(f"os.exec{kind}" for kind in ("l", "lp", "v", "vp")),
        *(f"os.spawn{kind}" for kind in ("l", "lp", "v", "vp")),
        "os.popen",
        "os.system",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
    }
)


def _check(source: Source) -> Iterator[Sighting]:
    for node, name in source.references():
        if name in _INHERITS:
            yield at(node, f"`{name}` hands on this process's environment")
    for call in source.calls():
        started = source.dotted(call.func)
        if started in _STARTS and not _spelled_out(call):
            yield at(call, f"`{started}` without `env` hands on this process's environment")


def _spelled_out(call: ast.Call) -> bool:
    return any(keyword.arg in (None, "env") for keyword in call.keywords)


CHILD_PROCESSES: Final = Rule(
    code="SEA015",
    promise="Every child process is started with `env` written out.",
    why="the environment may hold this process's secrets, and an agent must never inherit them",
    remedy="pass `env` with the few variables that the child needs",
    check=_check,
)
