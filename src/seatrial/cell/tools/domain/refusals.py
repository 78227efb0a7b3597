"""What this room refuses, and what an agent is told of a call that did not succeed."""

from seatrial.kit.errors import Conflict, Denied, Failed, Invalid, NotFound, Unavailable


class ActionUnknown(NotFound):
    """The release has no action {action!r}; it has {known}."""

    code = "action_unknown"
    cause = "The name is mistyped, or the action was added after this release was deployed."
    remedy = "Look at `seatrial releases show`; declare it under `[actions]` and deploy."


class ActionUnperformed(Conflict):
    """Nothing performs the action {action!r}."""

    code = "action_unperformed"
    cause = "It is declared without `function`, `sql` or `http`, or the agent runs it by itself."
    remedy = "Say in `[actions.NAME]` how it is performed, and deploy; or call it in the agent."


class ConnectorUnbound(Conflict):
    """{action!r} needs a connector; {environment}'s cell has no `[connectors.{connector}]`."""

    code = "connector_unbound"
    cause = "A release names a connector; each environment binds the name to one of its own."
    remedy = "Add a table `[connectors.NAME]` to the settings of the environment's cell."


class ConnectorUnfit(Conflict):
    """The connector {connector!r} is of kind {kind!r}, which cannot perform {action!r}."""

    code = "connector_unfit"
    cause = "A statement needs a database, a request needs an HTTP service."
    remedy = "Bind the name to a connector of the other kind, or name another one in the action."


class ArgumentsRefused(Invalid):
    """The arguments of {action!r} are refused: {reason}."""

    code = "action_arguments_refused"
    cause = "They do not fit the action's schema, so nothing was performed."
    remedy = "Call it again with arguments that fit."


class ArgumentsMalformed(Invalid):
    """The arguments are no JSON object."""

    code = "action_arguments_malformed"
    cause = "An action takes its arguments by name."
    remedy = 'Send an object such as `{"order": "W1"}`; `{}` where there are none.'


class SchemaRefused(Failed):
    """The schema of {action!r} cannot be used: {reason}."""

    code = "action_schema_refused"
    cause = "It is no JSON Schema, or refers to one elsewhere; nothing is fetched."
    remedy = "Mend `input_schema` and deploy."


class ActionUnrecorded(Conflict):
    """The call of {action!r} {why}, and this run makes no new one."""

    code = "action_unrecorded"
    cause = "A strict replay is answered from the run that it follows, and nothing is performed."
    remedy = "Compare both runs with `seatrial runs replay`; start a live run to make new calls."


class ActionRejected(Denied):
    """A person rejected {action!r}: {reason}."""

    code = "action_rejected"
    cause = "It needs an approval, and was refused one; nothing was performed."
    remedy = "Go on without it, or propose something else."


class ActionFailed(Failed):
    """{action!r} failed: {reason}."""

    code = "action_failed"
    cause = "What it is performed on refused it, so it had no effect."
    remedy = "Read the reason; mend the arguments, or what it is performed on."


class ActionUnreachable(Unavailable):
    """{action!r} could not be performed now: {reason}."""

    code = "action_unreachable"
    cause = "What it is performed on is away or too slow; it had no effect."
    remedy = "Call it again later."


class OutcomeUnknown(Failed):
    """Nobody can tell whether {action!r} happened: {reason}."""

    code = "action_outcome_unknown"
    cause = "It was begun, and the answer was lost."
    remedy = "Look where it would have happened, then tell by `seatrial reviews`."


class WaitNeedsHost(Conflict):
    """A run on its author's machine cannot wait for {what}."""

    code = "wait_needs_host"
    cause = "To wait, a run gives up its process; a local one is no process of the cell's."
    remedy = "Deploy to staging and start the run there."


class WaitUnanswered(Conflict):
    """The wait for {wait!r} is not answered: {reason}."""

    code = "wait_unanswered"
    cause = "The run is on a fixture, and the recorded run did not hear of it, or not so often."
    remedy = "Judge whether the new wait is right, then allow it: `may_call event:NAME -> VALUE`."


class ReviewSettled(Conflict):
    """Call {seq} of the run {run!r} is not asked about, or not any more."""

    code = "review_settled"
    cause = "Somebody was faster, the run has ended, or the number is another call's."
    remedy = "List what is asked with `seatrial reviews`."


class ReviewUnfit(Conflict):
    """Call {seq} of the run {run!r} cannot be {wish}: {asked}."""

    code = "review_unfit"
    cause = "Proposals are approved or rejected; of unknown outcomes is said whether they happened."
    remedy = "Use the other pair of words."


class ConnectorRefused(Invalid):
    """The connector {connector!r} is refused: {reason}."""

    code = "connector_refused"
    cause = "Its table in the settings of this cell is incomplete or contradicts itself."
    remedy = "Mend its table `[connectors.NAME]`."


class DatabaseForeign(Failed):
    """The connector {connector!r} writes into a database of the cell itself."""

    code = "connector_database_own"
    cause = "What agents may do must not reach the journal that they are recovered from."
    remedy = "Give the connector a database of its own."
