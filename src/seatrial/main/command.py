"""The `seatrial` command: the table that joins each verb to the room that answers it."""

import sys
from typing import Final

import click

from seatrial.kit.terminal.frame import LazyGroup, run

_COMMANDS: Final = {
    "up": ("seatrial.main.up:up", "Start a whole system on this machine."),
    "down": ("seatrial.main.up:down", "End what `up` started."),
    "control": ("seatrial.main.control_process:control", "Run control as one process."),
    "cell": ("seatrial.main.cell_process:cell", "Run a cell as one process."),
    "doctor": ("seatrial.main.doctor:doctor", "Check that this machine can carry Seatrial."),
    "flags": ("seatrial.cell.door.cli:flags", "Lint, explain and serve feature flags."),
    "rollout": ("seatrial.control.rollouts.cli:rollout", "Rehearse a rollout plan."),
    "settings": ("seatrial.main.settings_command:settings", "Check a settings file."),
    "explain": ("seatrial.main.explain:explain", "Explain an error by its code."),
    "completion": ("seatrial.cli.completion:completion", "Print tab completion for your shell."),
}


@click.group(
    cls=LazyGroup,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict, "
    "6 gate failed, 7 stopped, 8 unreachable.",
)
@click.version_option(package_name="seatrial", prog_name="seatrial")
def seatrial() -> None:
    """Release control for AI agents: real environments, and one road between them."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(seatrial, sys.argv[1:], name="seatrial"))
