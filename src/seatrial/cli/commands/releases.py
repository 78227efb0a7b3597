"""`seatrial releases`: what was deployed, what is in it, and how two of them differ."""

from pathlib import Path
from typing import Final

import click

from seatrial.cli import showing
from seatrial.cli.reaching import Reached, access_option, reaching
from seatrial.contract.releases.difference import difference
from seatrial.contract.releases.release import Release, parse_name
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option

_NOTHING: Final = "nothing"


@click.group()
def releases() -> None:
    """List, show and compare releases."""


@releases.command("list")
@click.argument("agent", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--after", help="Go on after a page; the last one named it.")
@access_option
@json_option
def list_command(
    agent: str | None, *, limit: int, after: str | None, access: Path | None, as_json: bool
) -> None:
    """List the releases of AGENT, or of all, newest first.

    \b
    Examples:
      seatrial releases list
      seatrial releases list support --limit 5 --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    page = reaching(access, lambda servers: servers.control.releases(agent, after, limit))
    if as_json:
        answer_json([row.document() for row in page.releases])
    elif page.releases:
        click.echo(showing.releases(page.releases))
    else:
        click.echo("no releases yet; `seatrial deploy` makes one", err=True)
    if page.next is not None:
        click.echo(f"more: --after {page.next}", err=True)


@releases.command("show")
@click.argument("name")
@access_option
@json_option
def show_command(name: str, *, access: Path | None, as_json: bool) -> None:
    """Show the release NAME, `agent@number` or digest, with all its components.

    \b
    Examples:
      seatrial releases show support@14
      seatrial releases show support@14 --json | jq .release.components
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    parse_name(name)
    row, release = reaching(access, lambda servers: servers.control.release(name))
    if as_json:
        answer_json({"row": row.document(), "release": release.document()})
        return
    click.echo(showing.releases([row]))
    click.echo(f"\n{row.release}")
    for component in release.components:
        click.echo()
        click.echo(click.style(component.address, bold=True) + f"  {component.digest}")
        for key, value in component.body.items():
            click.echo(f"  {key}: {showing.short(value)}")


@releases.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--exit-code", is_flag=True, help="End with 1 when they differ.")
@access_option
@json_option
def diff_command(
    before: str, after: str, *, exit_code: bool, access: Path | None, as_json: bool
) -> int:
    """Show every field in which AFTER differs from BEFORE; `nothing` stands for no release.

    Both are fetched, checked by their digests, and compared here.

    \b
    Examples:
      seatrial releases diff support@13 support@14
      seatrial releases diff nothing support@1
      seatrial releases diff support@13 support@14 --exit-code --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    for name in (before, after):
        if name != _NOTHING:
            parse_name(name)

    async def use(servers: Reached) -> tuple[Release | None, Release | None]:
        return await _fetched(servers, before), await _fetched(servers, after)

    found = difference(*reaching(access, use))
    if as_json:
        answer_json(
            [
                {
                    "address": each.address,
                    "change": str(each.change),
                    "fields": [
                        {"path": field.path, "before": field.before, "after": field.after}
                        for field in each.fields
                    ],
                }
                for each in found
            ]
        )
    else:
        click.echo(showing.difference(found) or "no difference")
    return Exit.FAILED if exit_code and found else Exit.OK


async def _fetched(servers: Reached, name: str) -> Release | None:
    return None if name == _NOTHING else (await servers.control.release(name))[1]
