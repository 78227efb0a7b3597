"""The page of commands: what `--help` says, of every command at once."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Final

import click

from dev.reference.markdown import block, code, page, section, table
from dev.reference.page import Page
from seatrial.kit.errors import Exit
from seatrial.main.command import seatrial

_KEEP_LINES: Final = "\b"
_EXAMPLES: Final = re.compile(r"Examples?:\n")
_INTRO: Final = """\
Data goes to standard output, talk to standard error. Options stand behind the command that they
belong to. `--help` works everywhere."""


def render() -> str:
    """The page for every command."""
    top, *commands = walk(seatrial, "seatrial")
    index = [(f"[{code(_path(each))}](#{_anchor(each)})", _line(each)) for each in commands]
    return page(
        "Commands",
        _prose(seatrial.help),
        _INTRO,
        table(("command", "what it does"), index),
        section(2, "Options of every call", _options(top)),
        section(2, "Exit codes", _exits()),
        *(_entry(each) for each in commands),
    )


def walk(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """A command and all below it, in the order that help lists them."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            below = command.get_command(context, inner)
            if below is not None and not below.hidden:
                yield from walk(below, inner, context)


def _entry(context: click.Context) -> str:
    command = context.command
    usage = " ".join([_path(context), *command.collect_usage_pieces(context)])
    return section(
        2,
        _path(context),
        block("text", usage),
        _prose(command.help),
        _arguments(context),
        _options(context),
    )


def _path(context: click.Context) -> str:
    return context.command_path


def _anchor(context: click.Context) -> str:
    return _path(context).replace(" ", "-")


def _line(context: click.Context) -> str:
    return context.command.get_short_help_str(limit=200)


def _prose(text: str | None) -> str:
    """A help text as Markdown; Click's mark for kept lines becomes a block."""
    paragraphs = inspect.cleandoc((text or "").partition("\f")[0]).split("\n\n")
    return "\n\n".join(_paragraph(each) for each in paragraphs if each.strip())


def _paragraph(text: str) -> str:
    if not text.startswith(_KEEP_LINES):
        return " ".join(text.split())
    lines = text.removeprefix(_KEEP_LINES).strip("\n")
    body = _EXAMPLES.sub("", lines, count=1)
    kept = textwrap.dedent(body)
    return f"Examples:\n\n{block('sh', kept)}" if body != lines else block("text", kept)


def _arguments(context: click.Context) -> str:
    found = [each for each in context.command.params if isinstance(each, click.Argument)]
    rows = [
        (code(each.make_metavar(context)), "yes" if each.required else "no", _values(each))
        for each in found
    ]
    return table(("argument", "required", "value"), rows) if rows else ""


def _options(context: click.Context) -> str:
    # Help is the same everywhere, and told once; Click adds it in `get_params` alone.
    inner = context.parent is not None
    params = context.command.params if inner else context.command.get_params(context)
    found = [each for each in params if isinstance(each, click.Option) and not each.hidden]
    if not found:
        return ""
    head = ["option", "meaning", "default"]
    rows = [[_spelled(each, context), each.help or "", _default(each)] for each in found]
    columns = 3 if any(row[2] for row in rows) else 2
    return table(head[:columns], [row[:columns] for row in rows])


def _spelled(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    names = [*option.opts, *option.secondary_opts]
    return ", ".join(code(f"{name}{value}") for name in names)


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    value = option.to_info_dict().get("default")
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return code(str(value)) if plain else ""


def _values(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return ", ".join(code(str(choice)) for choice in parameter.type.choices)
    return str(parameter.type.name)


def _exits() -> str:
    rows = [(str(int(each)), each.name.lower().replace("_", " ")) for each in Exit]
    return table(("code", "meaning"), rows) + "\n\n[Errors](errors.md) tells which error ends how."


COMMANDS: Final = Page(path="docs/reference/commands.md", render=render)
