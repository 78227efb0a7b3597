"""`seatrial logs`: what agents printed and what became of runs, as lines."""

import json
from pathlib import Path
from typing import Any

import click

from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.talk import where
from seatrial.kit.text import printable


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is logged from now.")
@env_option("staging")
@click.option("--agent", help="Of this agent.")
@click.option("--run", help="Of this run.")
@click.option(
    "--level", type=click.Choice(["debug", "info", "warning", "error"]), help="This one and above."
)
@click.option("--limit", type=click.IntRange(1, 10_000), help="So many of the newest lines.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@access_option
def logs(  # noqa: PLR0913 - one parameter for each option
    *,
    follow: bool,
    environment: str,
    agent: str | None,
    run: str | None,
    level: str | None,
    limit: int | None,
    as_json: bool,
    access: Path | None,
) -> None:
    """Show log lines of an environment's agents.

    \b
    Examples:
      seatrial logs -f --agent support
      seatrial logs --run run_01jd7v6k3q8zr5m0c4x9tn2hbe --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, agent or run or "")

    async def use(servers: Reached) -> None:
        lines = servers.cell(environment).logs(
            follow="1" if follow else None, agent=agent, run=run, level=level, limit=limit
        )
        async for line in lines:
            click.echo(json.dumps(line, ensure_ascii=False) if as_json else _shown(line))

    reaching(access, use)


def _shown(line: Any) -> str:  # noqa: ANN401 - any JSON value
    if not isinstance(line, dict):
        return printable(str(line))
    at = str(line.get("at") or line.get("time") or "")
    level = str(line.get("level") or line.get("stream") or "")
    who = str(line.get("run") or line.get("release_name") or line.get("agent") or "")
    said = str(line.get("text") or line.get("message") or line.get("event") or line)
    return "  ".join(printable(part) for part in (at, level, who, said) if part)
