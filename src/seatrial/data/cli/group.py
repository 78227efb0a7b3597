"""The group `seatrial data`; a command is imported when it runs, and what it lacks is told."""

from typing import Final

import click

from seatrial.data.domain import DataExtraMissing
from seatrial.kit.terminal.frame import LazyGroup

_COMMANDS: Final = {
    "profile": ("seatrial.data.cli.masking:profile_command", "Propose rules, or tell of drift."),
    "key": ("seatrial.data.cli.masking:key_command", "Make a masking key."),
    "mask": ("seatrial.data.cli.masking:mask_command", "Mask a source into a snapshot."),
    "verify": ("seatrial.data.cli.verifying:verify_command", "Compare and sign the verdict."),
    "inspect": ("seatrial.data.cli.verifying:inspect_command", "Show a snapshot and its verdict."),
    "load": ("seatrial.data.cli.verifying:load_command", "Load a snapshot that was passed."),
    "ugly": ("seatrial.data.cli.ugly:ugly_command", "Make records with labelled defects."),
}


class _OfExtra(LazyGroup):
    """Tells which package is missing where the extra `data` is not installed."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        try:
            return super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("seatrial"):
                raise
            raise DataExtraMissing(package=missing.name) from None


@click.group(cls=_OfExtra, table=_COMMANDS)
def data() -> None:
    """Mask data for staging, prove the masking, load it; make ugly data."""
