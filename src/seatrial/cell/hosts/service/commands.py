"""How a guest is started."""

import compileall
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

_GUEST: Final = Path(__file__).resolve().parents[1] / "guest"
# -S: no package of the agent runs before the guest has confined itself. -I would ignore
# PYTHONHASHSEED; -P and -s are the rest of it.
_FLAGS: Final = ("-P", "-s", "-S", "-B", "-X", "utf8")


def compile_guest() -> None:
    """Compile it once, if its folder can be written to: a start then takes 65 ms of CPU, not 80.

    The guest itself writes no bytecode, and an installer need not have.
    """
    if not sys.dont_write_bytecode:
        compileall.compile_dir(_GUEST, quiet=2)


def guest_command(python: str, told: Mapping[str, object]) -> list[str]:
    """The command of a guest that is `told` what it needs; every user of the machine can see it."""
    return [python, *_FLAGS, str(_GUEST), orjson.dumps(told).decode()]
