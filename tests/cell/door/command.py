"""The group `flags` as a command of its own: `python -m tests.cell.door.command lint FILE`."""

import sys

from seatrial.cell.door.cli import flags
from seatrial.kit.terminal.frame import run

if __name__ == "__main__":
    sys.exit(run(flags, sys.argv[1:], name="seatrial flags"))
