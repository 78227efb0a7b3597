"""`seatrial deploy`: the project as it is now, made a release and active in staging."""

import asyncio
from pathlib import Path

import click

from seatrial.cli import showing
from seatrial.cli.checking import check
from seatrial.cli.given import given
from seatrial.cli.ordering import Manner, carried_out, order_options
from seatrial.cli.project.manifest import find
from seatrial.cli.project.origin import Source, source
from seatrial.cli.project.release import Built, Project, build_release, open_project
from seatrial.cli.reaching import Reached, access_option, reaching
from seatrial.cli.servers.domain import PlanUnlike
from seatrial.cli.surroundings import surroundings
from seatrial.cli.switching import planned
from seatrial.cli.talk import progress, say, where
from seatrial.contract.evidence.statements import Provenance, Verb, instant
from seatrial.contract.releases.actions import InProcess, Review
from seatrial.contract.releases.release import Release
from seatrial.contract.switch.api import DeployRequest, GenerationRow, PlanRequest, ReleaseRow
from seatrial.kit.clock import SystemClock
from seatrial.kit.terminal.output import answer_json, json_option


@click.command()
@click.option("--env", "environment", default="staging", show_default=True,
              type=click.Choice(["dev", "test", "staging"]), help="Never production.")  # fmt: skip
@click.option("--project", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--relock", is_flag=True, help="Resolve the dependencies anew.")
@click.option("--dry-run", is_flag=True, help="Build and show; send nothing.")
@click.option("--check", "checked", metavar="INPUT",
              help="Then run it once on this (JSON, or text); it must end well.")  # fmt: skip
@order_options
@access_option
@json_option
def deploy(  # noqa: PLR0913 - one parameter for each option
    *,
    environment: str,
    project: Path | None,
    relock: bool,
    dry_run: bool,
    checked: str | None,
    manner: Manner,
    access: Path | None,
    as_json: bool,
) -> None:
    """Make a release of this project and put it into staging.

    The source is bundled, its dependencies are locked once, and what control does not have yet is
    sent. The same project is the same release on every machine.

    The check fails, with exit code 6, where the run fails or its receipt has a warning, such as
    that the agent asked its cell for no model and no action. The release stays active.

    \b
    Examples:
      seatrial deploy
      seatrial deploy --check "my parcel is late"
      seatrial deploy --env test --no-wait
      seatrial deploy --dry-run --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if checked is not None and (dry_run or not manner.wait):
        raise click.UsageError(
            "--check runs what is active: it needs neither --dry-run nor --no-wait"
        )
    opened = open_project(find(project or Path.cwd()))
    where(environment, opened.manifest.agent.name)
    around = surroundings()
    built = build_release(opened, around, relock=relock)
    origin = source(opened.folder, around)
    if dry_run:
        _show_built(built, origin, as_json=as_json)
        return

    async def use(servers: Reached) -> tuple[ReleaseRow, GenerationRow | None]:
        return await _deployed(servers, opened, built, origin, environment, manner)

    row, generation = reaching(access, use)
    _say_tools(built.release)
    _show(row, generation, environment, wait=manner.wait, as_json=as_json)
    if checked is not None:
        value = given(checked, None)
        reaching(
            access,
            lambda it: check(it.cell(environment), built.release, row.name, value, environment),
        )


async def _deployed(
    servers: Reached,
    project: Project,
    built: Built,
    origin: Source,
    environment: str,
    manner: Manner,
) -> tuple[ReleaseRow, GenerationRow | None]:
    _, key = servers.signer()
    await _upload(servers, built)
    slug = built.release.manifest.agent
    provenance = Provenance(
        agent=slug, commit=origin.commit, dirty=origin.dirty, at=instant(SystemClock().now())
    )
    agent = project.manifest.agent
    row = await servers.control.deploy(
        DeployRequest(
            release=built.release.document(),
            provenance=provenance.signed(built.release.name, slug, key).decode(),
            owner=agent.owner or origin.author,
            description=agent.description,
        )
    )
    if row.release != built.release.name:
        raise PlanUnlike(reason=f"it calls the release {row.release}, not {built.release.name}")
    asked = PlanRequest(verb=Verb.DEPLOY, agents={slug: str(built.release.name)})
    plan = await planned(servers, environment, asked)
    if plan is None:
        say(f"{row.name} is active in {environment} already")
        return row, None
    return row, await carried_out(servers, plan, manner, "")


async def _upload(servers: Reached, built: Built) -> None:
    missing = await servers.control.missing(tuple(built.release.blobs))
    for digest in progress(missing, "sending", len(missing)):
        content = await asyncio.to_thread(built.blob, digest)
        await servers.control.upload(digest, content)


def _say_tools(release: Release) -> None:
    """Which actions the cell performs, and which the agent runs by itself: nobody checks those."""
    tools = sorted(release.tools.items())
    own = [name for name, tool in tools if isinstance(tool.perform, InProcess)]
    performed = [
        f"{name} ({tool.effect}{', reviewed' if tool.review is Review.ALWAYS else ''})"
        for name, tool in tools
        if name not in own
    ]
    if performed:
        say(f"actions: {', '.join(performed)}")
    if own:
        say(f"run by the agent itself, declared to have no effect: {', '.join(own)}")


def _show_built(built: Built, origin: Source, *, as_json: bool) -> None:
    found = {
        "digest": str(built.release.name),
        "agent": built.release.manifest.agent,
        "components": {
            address: str(digest) for address, digest in built.release.manifest.components.items()
        },
        "bundle": {"bytes": len(built.bundle), "files": list(built.files)},
        "wheels": [path.name for path in built.wheels.values()],
        "commit": origin.commit,
        "dirty": origin.dirty,
    }
    if as_json:
        answer_json(found)
        return
    click.echo(f"{built.release.manifest.agent}  {built.release.name}")
    for address in built.release.manifest.components:
        click.echo(f"  {address}")
    for path in built.files:
        click.echo(f"  file  {showing.short(path)}")
    for digest in built.wheels:
        click.echo(f"  wheel {built.wheels[digest].name}")


def _show(
    row: ReleaseRow,
    generation: GenerationRow | None,
    environment: str,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    if as_json:
        answer_json(
            {
                "release": row.name,
                "digest": str(row.release),
                "environment": environment,
                "generation": None if generation is None else generation.generation,
                "state": "active" if generation is None or wait else str(generation.state),
            }
        )
        return
    tail = "" if generation is None else f" · generation {generation.generation}"
    verb = "is active in" if wait or generation is None else "is on its way to"
    click.echo(f"{row.name} {verb} {environment}{tail}")
    click.echo(str(row.release))
