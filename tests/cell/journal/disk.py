"""A disk that loses its power: what strace saw of a few files, and what is left of them."""

import ast
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STRACE: Final = "strace"
LEDGER: Final = "ledger"
_SECTOR: Final = 512
_TRACED: Final = "trace=pwrite64,pwritev,write,fsync,fdatasync,ftruncate,unlink"
_CALL: Final = re.compile(
    r"^(?P<thread>\d+) +(?P<name>\w+)\((?:\d+<(?P<path>[^>]*)>|\"(?P<gone>[^\"]*)\")(?P<rest>.*)$"
)
_RESUMED: Final = re.compile(r"^(?P<thread>\d+) +<\.\.\. (?P<name>f\w*sync) resumed>")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a file.

    Attributes:
        file: its name.
        kind: `write`, `sync`, `cut` to a length, or `gone`.
        at: where it is written, or the length; -1 for its end. Of a sync, how many events of this
            file had come before it began: it answers for no other.
        data: what is written.
    """

    file: str
    kind: str
    at: int = 0
    data: bytes = b""


@dataclass(kw_only=True)
class Disk:
    """Files as they are, and as they are sure to be; the ledger is other people's, always sure."""

    sure: dict[str, bytearray]
    later: dict[str, list[Event]] = field(default_factory=dict)
    settled: Counter[str] = field(default_factory=Counter)

    def happen(self, event: Event) -> None:
        """Note an event."""
        held = self.sure.setdefault(event.file, bytearray())
        if event.file == LEDGER:
            _do(held, [event])
            return
        later = self.later.setdefault(event.file, [])
        if event.kind != "sync":
            later.append(event)
            return
        answered = max(0, event.at - self.settled[event.file])
        _do(held, later[:answered])
        del later[:answered]
        self.settled[event.file] += answered

    def left(self, rng: random.Random) -> tuple[dict[str, bytes], int]:
        """What a machine finds that comes up again, and how many writes had not been sure."""
        found = {name: bytearray(content) for name, content in self.sure.items()}
        for name, events in self.later.items():
            _do(found[name], _survived(events, rng))
        lost = sum(map(len, self.later.values()))
        return {name: bytes(content) for name, content in found.items()}, lost


def _survived(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """Which of the events that nobody waited for came to the disk."""
    match rng.randrange(4):
        case 0:
            return []
        case 1:
            return [*events]
        case 2:
            return [*events[: rng.randrange(len(events) + 1)]]
    sectors = [part for event in events for part in _sectors(event)]
    return [part for part in sectors if rng.random() < 0.5]


def _sectors(event: Event) -> Iterator[Event]:
    if event.kind != "write":
        yield event
        return
    for start in range(0, len(event.data), _SECTOR):
        part = event.data[start : start + _SECTOR]
        yield Event(file=event.file, kind="write", at=event.at + start, data=part)


def _do(held: bytearray, events: Sequence[Event]) -> None:
    for event in events:
        if event.kind == "gone":
            held.clear()
        elif event.kind == "cut":
            held[event.at :] = bytes(max(0, event.at - len(held)))
        else:
            at = len(held) if event.at < 0 else event.at
            held.extend(bytes(max(0, at - len(held))))
            held[at : at + len(event.data)] = event.data


def traced(command: Sequence[str], log: Path, files: Mapping[Path, str]) -> list[Event]:
    """Run `command`, and everything that it starts; what became of `files`, by their names."""
    strace = [STRACE, "-f", "--seccomp-bpf", "-y", "-x", "-s", str(1 << 20), "-e", _TRACED]
    subprocess.run([*strace, "-o", str(log), *command], check=True, timeout=300)
    return [*_events(log.read_text().splitlines(), files)]


def _events(lines: Sequence[str], files: Mapping[Path, str]) -> Iterator[Event]:
    """A write counts once it is called, a sync once it has returned."""
    waiting: dict[str, Event] = {}
    count: Counter[str] = Counter()
    for line in lines:
        if resumed := _RESUMED.match(line):
            if begun := waiting.pop(resumed["thread"], None):
                yield begun
            continue
        call = _CALL.match(line)
        name = call and files.get(Path(call["path"] or call["gone"] or ""))
        if call is None or name is None:
            continue
        if call["name"] not in {"fsync", "fdatasync"}:
            count[name] += 1
            yield _change(name, call["name"], call["rest"])
            continue
        sync = Event(file=name, kind="sync", at=count[name])
        if "unfinished" in call["rest"]:
            waiting[call["thread"]] = sync
        else:
            yield sync


def _change(file: str, call: str, rest: str) -> Event:
    if call == "unlink":
        return Event(file=file, kind="gone")
    if call == "ftruncate":
        return Event(file=file, kind="cut", at=int(re.findall(r"\d+", rest)[0]))
    assert call != "pwritev", f"{file} is written in a way that is not understood: {rest}"
    text, _, numbers = rest.removeprefix(", ").rpartition('", ')
    data = ast.literal_eval(f'b{text}"')
    if call == "pwrite64":
        return Event(file=file, kind="write", at=int(re.findall(r"\d+", numbers)[1]), data=data)
    # Two files are written with no place named: the ledger at its end, pg_control as a whole.
    return Event(file=file, kind="write", at=-1 if file == LEDGER else 0, data=data)
