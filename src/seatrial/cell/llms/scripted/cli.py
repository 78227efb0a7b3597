"""`seatrial provider`: serve a scripted model."""

import json
import logging
from pathlib import Path
from typing import Final

import click

from seatrial.cell.llms.scripted.server import provider as provider_app
from seatrial.cell.llms.scripted.service import Scripted, rules_of
from seatrial.data.recordings.service import load
from seatrial.kit.clock import SystemClock
from seatrial.kit.errors import Exit
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import LOOPBACK, address_of, listen
from seatrial.kit.http.server import Server, ended_by_signals, run, serve
from seatrial.kit.ids import Ids
from seatrial.kit.log import Redactor, configure
from seatrial.kit.terminal.output import json_option

_LOG: Final = logging.getLogger(__name__)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_PORT: Final = 8017
_GRACE: Final = 2.0


@click.command()
@click.option("--rules", "rules_file", type=_FILE, help="A TOML file of rules; the first that "
              "fits answers.")  # fmt: skip
@click.option("--recordings", "recordings", type=_FILE, multiple=True,
              help="Answer as in these conversations; may be given more than once.")  # fmt: skip
@click.option("--pace", default=0.0, show_default=True, type=click.FloatRange(0, 100),
              help="How much of the recorded time of an answer to wait.")  # fmt: skip
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65_535),
              help="The port to listen on; 0 takes a free one.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@json_option
def provider(
    rules_file: Path | None,
    *,
    recordings: tuple[Path, ...],
    pace: float,
    port: int,
    host: str,
    as_json: bool,
) -> int:
    """Serve a model that says what it is told to say, until told to end.

    It speaks OpenAI's chat completions and responses and Anthropic's messages, plain and streamed,
    and takes any key. A question that goes as a recording went has its answer; else the rules are
    asked; else it is refused with status 422. Faults can be asked for while it runs.

    \b
    Examples:
      seatrial provider --rules model.toml
      seatrial provider --recordings base.jsonl --recordings tuned.jsonl --pace 0.1
      curl -d '{"fault": "overloaded", "times": 3}' -H 'content-type: application/json' \\
        http://127.0.0.1:8017/faults
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if rules_file is None and not recordings:
        raise click.UsageError("give --rules, --recordings or both")
    configure("info", as_json=as_json, redactor=Redactor())
    rules = () if rules_file is None else rules_of(rules_file)
    played = [each for path in recordings for each in load(path)]
    scripted = Scripted(rules, played, pace=pace)
    with listen(host, port) as listener:
        url = f"{address_of(listener)}/v1"
        if as_json:
            click.echo(json.dumps({"url": url, "rules": len(rules), "recordings": len(played)}))
        else:
            click.echo(f"{len(rules)} rules and {len(played)} recordings answer at {url}")
        if host not in LOOPBACK:
            _LOG.warning("whoever reaches %s may ask", host)
        app = ErrorBoundary(provider_app(scripted), Ids(SystemClock()))
        return run(lambda: _serve(Server(app, listener)))


async def _serve(server: Server) -> int:
    lifetime = Lifetime()
    with ended_by_signals(lifetime):
        await serve([server], lifetime, grace=_GRACE)
    return Exit.OK
