"""`make demo`: what stands today, shown on this machine in a few seconds, from nothing.

Each scene is the real thing: the machine's own check, a process killed with -9 while it writes, a
signed statement with one byte changed, a flag that says why, a rollout plan played in virtual time,
and a mistake at the command line.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Column, Table, Text, insert, select

from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.statements import Statement, Subject, sign_statement, verify_statement
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import metadata
from seatrial.kit.errors import SeatrialError

_TABLES: Final = metadata()
_NOTES: Final = Table("notes", _TABLES, Column("id", Text, primary_key=True))
_ACKNOWLEDGED: Final = 200
_FLAGS: Final = """
{"flags": {"support": {
  "state": "ENABLED",
  "variants": {"candidate": "support@15", "production": "support@14"},
  "defaultVariant": "production",
  "targeting": {"fractional": [["candidate", 5], ["production", 95]]}
}}}
"""
_PLAN: Final = """
name = "careful"
required = 1

[traffic]
users_per_day = 2000

[[metrics]]
name = "success"
kind = "rate"
baseline = 0.95
margin = 0.03
fall = 0.04

[[stages]]
kind = "canary"
weight = 5
soak = "7d"
longest = "21d"

[[stages]]
kind = "ramp"
weight = 100
soak = "48h"
"""


def main() -> None:
    """Run the scenes, or with an argument the child that one of them kills."""
    if len(sys.argv) == 2:
        _write_for_ever(sys.argv[1])
        return
    folder = Path(tempfile.mkdtemp(prefix="seatrial-demo-"))
    try:
        _scene("1  Can this machine carry it?", "seatrial doctor")
        _seatrial("doctor", folder=folder)
        _scene("2  A process is killed with -9 while it writes", "what was acknowledged is there")
        _kill(f"sqlite:///{folder / 'killed.db'}")
        _scene("3  One byte of signed evidence is changed", "it is evidence no more")
        _tamper()
        _scene("4  Why does this user get the new release?", "a stable hash, in words")
        (folder / "flags.json").write_text(_FLAGS)
        _seatrial(
            "flags", "explain", "flags.json", "support", "--user", "ada", "--fractional", "v3",
            folder=folder,
        )  # fmt: skip
        _scene("5  Would this plan catch a worse release?", "1,000 rollouts in virtual time")
        (folder / "plan.toml").write_text(_PLAN)
        _seatrial("rollout", "rehearse", "plan.toml", folder=folder)
        _scene("6  A mistake at the command line", "a code, a cause, a remedy")
        _seatrial("settings", "chek", folder=folder)
    finally:
        shutil.rmtree(folder)
    click.echo("\nThe line (init, deploy, promote, roll back) is next; README says what stands.")
    click.echo("Where to look: README.md, docs/tutorial/first-steps.md, seatrial --help")


def _scene(title: str, promise: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}  ({promise})")


def _seatrial(*arguments: str, folder: Path) -> None:
    click.echo(f"$ seatrial {' '.join(arguments)}")
    command = Path(sys.executable).with_name("seatrial")
    subprocess.run([command, *arguments], cwd=folder, stderr=subprocess.STDOUT, check=False)


def _kill(url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, __file__, url], stdout=subprocess.PIPE, text=True, encoding="ascii"
    )
    if child.stdout is None:
        raise RuntimeError("the child has no output")
    acknowledged = {child.stdout.readline().strip() for _ in range(_ACKNOWLEDGED)}
    child.send_signal(signal.SIGKILL)
    acknowledged |= {line.strip() for line in child.stdout if line.endswith("\n")}
    child.wait()
    with Database.open(url) as database:
        kept = set(database.read_now(_all_notes))
    lost = len(acknowledged - kept)
    click.echo(f"acknowledged before the kill: {len(acknowledged)}, lost: {lost}")
    if lost:
        raise SystemExit("the demo failed: an acknowledged row is gone")


def _write_for_ever(url: str) -> None:
    with Database.open(url) as database:
        database.alter_now(_TABLES.create_all)
        number = 0
        while True:
            number += 1
            database.write_now(partial(_add_note, number))
            print(f"note {number}", flush=True)


def _add_note(number: int, connection: Connection) -> None:
    connection.execute(insert(_NOTES).values(id=f"note {number}"))


def _all_notes(connection: Connection) -> list[str]:
    return list(connection.execute(select(_NOTES.c.id)).scalars())


def _tamper() -> None:
    release, key = Digest.of(b"support@14"), SigningKey.generate()
    statement = Statement(
        subjects=(Subject(name="support@14", digest=release),),
        predicate_type="https://seatrial.example/review/v1",
        predicate={"approved": True, "by": "ada"},
    )
    envelope = sign_statement(statement, key)
    signed = verify_statement(envelope, trusted={key.verify_key})
    click.echo(f"signed by {key.verify_key.short}, says {signed.statement.predicate}")
    changed = bytearray(envelope)
    changed[len(changed) // 2] ^= 1
    try:
        verify_statement(bytes(changed), trusted={key.verify_key})
    except SeatrialError as error:
        click.echo(f"one byte changed: {error.code}: {error.message}")
    else:
        raise SystemExit("the demo failed: a changed envelope was believed")


if __name__ == "__main__":
    main()
