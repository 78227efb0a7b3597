"""What can go wrong between a command and a server."""

from seatrial.kit.errors import (
    BadUpstream,
    Conflict,
    Denied,
    Failed,
    GateFailed,
    Invalid,
    NotFound,
    TimedOut,
)


class AccessMissing(NotFound):
    """There is no access file: {reason}."""

    code = "access_missing"
    cause = "A command finds its servers in `.seatrial/access.json`, here or in a folder above."
    remedy = "Start a system here with `seatrial up`, or name the file with `--access FILE`."


class AccessInvalid(Invalid):
    """The access file {path!r} cannot be used: {reason}."""

    code = "access_invalid"
    cause = "It was written by another version, or mended by hand."
    remedy = "Let `seatrial up` write it anew, or mend the places named."


class AccessExposed(Denied):
    """The access file {path!r} is not private: its mode is {mode}."""

    code = "access_exposed"
    cause = "It holds tokens, and another user of this machine can read or replace it."
    remedy = "Make it yours alone with `chmod 600`; if in doubt, revoke its tokens."


class EnvironmentUnreached(NotFound):
    """The access file {path!r} names no cell of {environment!r}{hint}."""

    code = "environment_unreached"
    cause = "The environment has no cell here, or this person was given no token for it."
    remedy = "Name another with `--env`; `seatrial status` shows those that there are."


class SignerMissing(Denied):
    """The access file {path!r} names nobody who signs."""

    code = "signer_missing"
    cause = "Deploying, promoting and rolling back are signed with a person's own key."
    remedy = "Add `person` with `name` and `key_file` to it; `seatrial keys person` makes a key."


class PlanUnlike(Conflict):
    """Control's plan is not what was asked for: {reason}."""

    code = "plan_unlike"
    cause = "Nothing is signed but what was asked for, seen whole, and recomputed here."
    remedy = "Ask again; if it repeats, control is of another version, or not to be trusted."


class AnswerUnexpected(BadUpstream):
    """{peer} answered what this command does not understand: {reason}."""

    code = "answer_unexpected"
    cause = "The server is of another version, or something else answers at its address."
    remedy = "Compare `seatrial --version` with the version that `seatrial status` shows."


class RemoteRefused(BadUpstream):
    """{detail}."""

    code = "remote_refused"
    cause = "The server refused, with a code that this version does not know."
    remedy = "Update this command to the server's version."


class GatesUnmet(GateFailed):
    """{environment!r} takes it not yet: {reason}."""

    code = "gates_unmet"
    cause = "Each gate of the environment's rules must be met; the list above tells how they stand."
    remedy = (
        "Do what the list says, then order again; an order signed `--ahead` is kept until then."
    )


class GenerationAbandoned(Conflict):
    """Generation {generation} of {environment!r} was abandoned: {reason}."""

    code = "generation_abandoned"
    cause = "A required cell refused it, or did not prepare it in time. What was active still is."
    remedy = "Look at `seatrial status`; leave out a cell that is gone with `--exclude`."


class SwitchSlow(TimedOut):
    """Generation {generation} of {environment!r} is not everywhere after {seconds:g} s: {lag}."""

    code = "switch_slow"
    cause = "A cell is gone, cut off, or still builds. The order stands; only the waiting ended."
    remedy = "Watch with `seatrial status --watch`, or order again with `--exclude CELL`."


class ConfirmationMissing(Denied):
    """Nobody confirmed: {what}."""

    code = "confirmation_missing"
    cause = "There is no terminal to ask on, or the answer was no."
    remedy = "Run it on a terminal, or say `--yes`; production wants `--confirm production`."


class RunFailed(Failed):
    """Run {run} ended as {state}: {reason}."""

    code = "run_not_succeeded"
    cause = "The agent raised, a limit was reached, or somebody cancelled it."
    remedy = "Read its receipt with `seatrial runs show`; its lines with `seatrial logs --run`."


class KeyUnknown(NotFound):
    """The keyring names nobody {name!r}."""

    code = "key_unknown"
    cause = "The name is mistyped, or was taken off already."
    remedy = "Look at `seatrial keys show`."
