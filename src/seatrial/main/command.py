"""The `seatrial` command: the table that joins each verb to the room that answers it."""

import gc
import os
import sys
from typing import Final

import click

from seatrial.kit.terminal.frame import LazyGroup, run

_VERBS: Final = "seatrial.cli.commands"
_COMMANDS: Final = {
    "init": (f"{_VERBS}.init:init", "Begin a project: an agent that works at once."),
    "dev": (f"{_VERBS}.dev:dev", "Run this project's agent here, without a server."),
    "test": (f"{_VERBS}.test:test", "Run its code here against staging's models and tools."),
    "deploy": (f"{_VERBS}.deploy:deploy", "Make a release and put it into staging."),
    "promote": (f"{_VERBS}.promote:promote", "Publish to production what runs in staging."),
    "rollback": (f"{_VERBS}.rollback:rollback", "Bring an earlier generation back, at once."),
    "status": (f"{_VERBS}.status:status", "Show what is active where, and what lags."),
    "releases": (f"{_VERBS}.releases:releases", "List, show and compare releases."),
    "invoke": (f"{_VERBS}.invoke:invoke", "Run an agent once."),
    "runs": (f"{_VERBS}.runs:runs", "List runs, read a receipt, say what becomes of one."),
    "reviews": (f"{_VERBS}.reviews:reviews", "List what people are asked of runs, and answer."),
    "approve": (f"{_VERBS}.reviews:approve", "Let an action be performed that waits for it."),
    "reject": (f"{_VERBS}.reviews:reject", "Let an action not be performed; its agent is told."),
    "sessions": (f"{_VERBS}.sessions:sessions", "List and show threads of runs."),
    "logs": (f"{_VERBS}.logs:logs", "Show what agents logged."),
    "environments": (
        f"{_VERBS}.environments:environments",
        "Show and change the rules of environments.",
    ),
    "secrets": (f"{_VERBS}.secrets:secrets", "Set, list and remove an environment's secrets."),
    "keys": (f"{_VERBS}.keys:keys", "Show and sign whose signatures count."),
    "up": ("seatrial.main.up:up", "Start a whole system on this machine."),
    "down": ("seatrial.main.down:down", "End what `up` started."),
    "control": ("seatrial.main.control_process:control", "Run control as one process."),
    "cell": ("seatrial.main.cell_process:cell", "Run a cell as one process."),
    "doctor": ("seatrial.main.doctor:doctor", "Check that this machine can carry Seatrial."),
    "data": ("seatrial.data.cli.group:data", "Mask data for staging, and prove it."),
    "flags": ("seatrial.cell.door.cli:flags", "Lint, explain and serve feature flags."),
    "fixtures": (f"{_VERBS}.fixtures:fixtures", "Make tests of runs that went wrong; try them."),
    "recordings": (f"{_VERBS}.recordings:recordings", "Import, show and play conversations."),
    "provider": ("seatrial.cell.llms.scripted.cli:provider", "Serve a scripted model."),
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
@click.pass_context
def seatrial(context: click.Context) -> None:
    """Release control for AI agents: real environments, and one road between them."""
    context.obj = dict(os.environ)  # for commands that start a program; rooms read no environment
    _collect_again()  # the command's own module has been imported by now


def main() -> None:
    """Run the command line and leave with its exit code.

    The collector stands still while modules are imported: what they make lasts as long as the
    process, and looking through it again and again is a sixth of the start (a cell: 0.96 s of
    processor time instead of 1.13 s).
    """
    gc.disable()
    sys.exit(run(seatrial, sys.argv[1:], name="seatrial"))


def _collect_again() -> None:
    if not gc.isenabled():
        gc.freeze()  # out of every later round, too
        gc.enable()
