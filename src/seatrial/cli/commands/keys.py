"""`seatrial keys`: whose signatures count, compared by fingerprints, and signed by the root."""

from pathlib import Path
from typing import Final

import click

from seatrial.cli.reaching import FILE, Reached, access_option, reaching
from seatrial.cli.servers.domain import KeyUnknown, SignerMissing
from seatrial.cli.talk import confirm, say
from seatrial.contract.evidence.keyring import (
    PAYLOAD_TYPE,
    CellEntry,
    CellReplica,
    Keyring,
    Person,
    Role,
    open_keyring,
    sign_keyring,
)
from seatrial.contract.switch.api import (
    Enrolment,
    EnrolmentTokenRequest,
    Permission,
    TokenRequest,
)
from seatrial.kit.crypto import dsse, keyfiles
from seatrial.kit.crypto.canonical import parse_canonical
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.terminal.output import answer_json, json_option, table

_root_option: Final = click.option(
    "--root", type=FILE, required=True, help="The root key's file; it never leaves this machine."
)


@click.group()
def keys() -> None:
    """Show and sign whose signatures count."""


@keys.command("show")
@access_option
@json_option
def show_command(*, access: Path | None, as_json: bool) -> None:
    """Show the keyring in force, processes that wait for it, and fingerprints to compare.

    \b
    Examples:
      seatrial keys show
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines

    async def use(servers: Reached) -> tuple[Keyring | None, tuple[Enrolment, ...], str]:
        envelope = await servers.control.keyring()
        ring = None if envelope is None else _read(envelope)
        return ring, await servers.control.enrolments(), _own(servers)

    ring, enrolments, own = reaching(access, use)
    if as_json:
        answer_json(
            {
                "keyring": None if ring is None else ring.document(),
                "enrolments": [each.document() for each in enrolments],
                "own": own or None,
            }
        )
        return
    rows = [] if ring is None else _rows(ring)
    rows += [
        ("pending", f"{each.cell} ({each.environment})", each.signing)
        for each in enrolments
        if not each.listed
    ]
    if own:
        rows.append(("you", "", own))
    click.echo(table(("key", "what", "name"), [(key, what, name) for what, name, key in rows]))
    say("no keyring in force" if ring is None else f"keyring version {ring.version}")


@keys.command("person")
@click.argument("file", type=FILE)
def person_command(file: Path) -> None:
    """Make a person's key in FILE, or name the one that is there.

    \b
    Examples:
      seatrial keys person ~/.config/seatrial/me.pem
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    key = keyfiles.load_or_create(SigningKey, file)
    click.echo(key.id)
    say("have it put on the keyring: `seatrial keys add-person NAME --key … --role … --root FILE`")


@keys.command("sign")
@_root_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@access_option
@json_option
def sign_command(*, root: Path, yes: bool, access: Path | None, as_json: bool) -> None:
    """Sign a keyring that takes in every process that waits; compare fingerprints first.

    \b
    Examples:
      seatrial keys sign --root /media/offline/root.pem
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _sign(access, root, yes=yes, as_json=as_json)


@keys.command("add-person")
@click.argument("name")
@click.option("--key", required=True, metavar="ed25519:…", help="As `keys person` printed it.")
@click.option("--role", "roles", multiple=True, required=True,
              type=click.Choice([str(each) for each in Role]))  # fmt: skip
@_root_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@access_option
@json_option
def add_person_command(  # noqa: PLR0913 - one parameter for each option
    name: str,
    *,
    key: str,
    roles: tuple[str, ...],
    root: Path,
    yes: bool,
    access: Path | None,
    as_json: bool,
) -> None:
    """Put a person on the keyring, or change the roles of one who is there, and sign it.

    \b
    Examples:
      seatrial keys add-person ada --key ed25519:… --role releaser --root root.pem
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    VerifyKey.parse(key)
    added = Person.read({"name": name, "key": key, "roles": sorted(set(roles))})
    _sign(access, root, yes=yes, as_json=as_json, person=added)


@keys.command("remove-person")
@click.argument("name")
@_root_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@access_option
@json_option
def remove_person_command(
    name: str, *, root: Path, yes: bool, access: Path | None, as_json: bool
) -> None:
    """Take a person off the keyring and sign it: what he signed counts no more.

    \b
    Examples:
      seatrial keys remove-person ada --root root.pem
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _sign(access, root, yes=yes, as_json=as_json, without=name)


@keys.command("enrol")
@click.argument("cell")
@click.option("--env", "environment", required=True, help="Which it will run.")
@click.option("--region", default="local", show_default=True)
@access_option
@json_option
def enrol_command(
    cell: str, *, environment: str, region: str, access: Path | None, as_json: bool
) -> None:
    """Print a one-use token with which a process of CELL may ask to be known.

    \b
    Examples:
      seatrial keys enrol production-eu --env production --region eu > token
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    wanted = EnrolmentTokenRequest.read(
        {"cell": cell, "environment": environment, "region": region}
    )
    made = reaching(access, lambda servers: servers.control.enrol(wanted))
    if as_json:
        answer_json(made.document())
    else:
        click.echo(made.token)
    say("shown once; then compare fingerprints (`keys show`) and sign (`keys sign`)")


@keys.command("new-token")
@click.argument("name")
@click.option("--may", "permissions", multiple=True, required=True,
              type=click.Choice([str(each) for each in Permission]))  # fmt: skip
@click.option("--days", type=click.IntRange(1, 3_650), help="Until it expires.")
@access_option
@json_option
def new_token_command(
    name: str,
    *,
    permissions: tuple[str, ...],
    days: int | None,
    access: Path | None,
    as_json: bool,
) -> None:
    """Print a token for control's API; it is shown once.

    \b
    Examples:
      seatrial keys new-token ci --may read --may deploy --days 90
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    wanted = TokenRequest.read(
        {"name": name, "permissions": sorted(set(permissions)), "days": days}
    )
    row = reaching(access, lambda servers: servers.control.new_token(wanted))
    if as_json:
        answer_json(row.document())
    else:
        click.echo(row.token)
    say("shown once; keep it where secrets are kept")


def _sign(
    access: Path | None,
    root: Path,
    *,
    yes: bool,
    as_json: bool,
    person: Person | None = None,
    without: str | None = None,
) -> None:
    key = keyfiles.load(SigningKey, root)

    async def use(servers: Reached) -> tuple[Keyring, bool]:
        envelope = await servers.control.keyring()
        # Under this root alone: a keyring that another one signed is nothing to build on.
        present = (
            None
            if envelope is None
            else open_keyring(envelope, roots=(key.verify_key,), at_least=1)
        )
        control = present.control if present else (await servers.control.keys()).control
        ring = _next(present, control, await servers.control.enrolments(), person, without)
        if present is not None and ring.document() | {"version": present.version} == (
            present.document()
        ):
            return present, False
        for row in _rows(ring):
            say("  ".join(row))
        confirm("the keyring", f"version {ring.version} will count", yes=yes, confirmed=None)
        await servers.control.put_keyring(sign_keyring(ring, key))
        return ring, True

    ring, changed = reaching(access, use)
    if as_json:
        answer_json(ring.document())
    else:
        click.echo(
            f"keyring version {ring.version} {'is in force' if changed else 'has it all already'}"
        )


def _next(
    present: Keyring | None,
    control: tuple[str, ...],
    enrolments: tuple[Enrolment, ...],
    person: Person | None,
    without: str | None,
) -> Keyring:
    """The keyring after `present`: all that wait are in it, and a person more or less."""
    people = [] if present is None else list(present.people)
    if without is not None:
        kept = [each for each in people if each.name != without]
        if len(kept) == len(people):
            raise KeyUnknown(name=without)
        people = kept
    if person is not None:
        people = [each for each in people if each.key != person.key and each.name != person.name]
        people.append(person)
    return Keyring(
        version=1 if present is None else present.version + 1,
        control=control,
        cells=_cells(() if present is None else present.cells, enrolments),
        people=tuple(people),
    )


def _cells(
    present: tuple[CellEntry, ...], enrolments: tuple[Enrolment, ...]
) -> tuple[CellEntry, ...]:
    entries = {entry.name: entry for entry in present}
    for each in sorted(enrolments, key=lambda one: one.at):
        replica = CellReplica(signing=each.signing, sealing=each.sealing)
        known = entries.get(each.cell)
        replicas = () if known is None else known.replicas
        if replica in replicas:
            continue
        entries[each.cell] = CellEntry(
            name=each.cell,
            environment=each.environment if known is None else known.environment,
            region=each.region if known is None else known.region,
            replicas=(*replicas, replica),
        )
    return tuple(entries[name] for name in sorted(entries))


def _read(envelope: bytes) -> Keyring:
    """The keyring in an envelope, to be shown: whoever relies on it verifies it by its root."""
    parsed = dsse.Envelope.parse(envelope)
    if parsed.payload_type != PAYLOAD_TYPE:
        raise dsse.EnvelopeOfOtherType(found=parsed.payload_type, wanted=PAYLOAD_TYPE)
    return Keyring.read(parse_canonical(parsed.payload))


def _own(servers: Reached) -> str:
    try:
        return servers.signer()[1].id
    except (SignerMissing, keyfiles.KeyFileMissing, keyfiles.KeyFileExposed, KeyMalformed):
        return ""


def _rows(ring: Keyring) -> list[tuple[str, str, str]]:
    return [
        *(("control", "", name) for name in ring.control),
        *(
            ("cell", f"{cell.name} ({cell.environment})", replica.signing)
            for cell in ring.cells
            for replica in cell.replicas
        ),
        *(("person", f"{each.name} ({', '.join(each.roles)})", each.key) for each in ring.people),
    ]
