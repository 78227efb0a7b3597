"""The reference: flagd's Python engine in an environment of its own, for each generation."""

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.harness import ROOT, _interpreter
from seatrial.contract.flags.definition import Definition
from seatrial.contract.flags.resolution import Context, FlagKind, typed
from seatrial.contract.flags.splits import Generation

PEERS: Final = {Generation.V2: "flagd-v1", Generation.V3: "flagd-v3"}
CODE_DEFAULTS: Final[dict[str, Any]] = {
    "boolean": False, "string": "code", "integer": -7, "float": -7.5, "object": {"c": 1},
}  # fmt: skip
Ask = tuple[str, FlagKind, Context]
Answer = list[Any]


class Reference:
    """A running engine; `answers` asks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def answers(self, flags: str, asks: list[Ask], now: int) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"flags": flags, "asks": asks, "now": now}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def reference(generation: Generation) -> Iterator[Reference]:
    """flagd's engine of the version whose splits are of `generation`."""
    child = Path(__file__).with_name("reference_child.py")
    with subprocess.Popen(
        [python_of(PEERS[generation]), str(child)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Reference(process)
        assert process.stdin is not None
        process.stdin.close()


def python_of(peer: str) -> str:
    """The peer's interpreter; whoever comes first makes it, the others wait."""
    folder = ROOT / ".cache" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{peer}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _interpreter(peer)


def ours(definition: Definition, ask: Ask, now: int) -> Answer:
    """Our answer in the reference's form."""
    key, kind, context = ask
    answer = typed(definition.evaluate(key, context, now), kind)
    if answer.error is not None:
        return [answer.error.value, "ERROR", None, None]
    value = CODE_DEFAULTS[kind] if answer.variant is None else answer.value
    if kind is FlagKind.FLOAT:
        value = float(value)
    return [None, answer.reason.value, answer.variant, value]
