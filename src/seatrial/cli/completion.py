"""`seatrial completion SHELL`: tab completion, printed for the shell to source."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Examples:
      eval "$(seatrial completion bash)"
      seatrial completion fish > ~/.config/fish/completions/seatrial.fish
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    script = get_completion_class(shell)
    if script is None:
        raise LookupError(f"no completion for {shell!r}")
    root = context.find_root()
    click.echo(script(root.command, {}, "seatrial", "_SEATRIAL_COMPLETE").source())
