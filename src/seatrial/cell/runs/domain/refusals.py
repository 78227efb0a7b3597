"""What this room refuses, and why a run may fail."""

from seatrial.kit.errors import Conflict, Denied, Failed, Invalid, NotFound, TooLarge, Unavailable


class RunUnknown(NotFound):
    """There is no run {run!r}."""

    code = "run_unknown"
    cause = "The id is mistyped, is of another environment, or is not for this caller to see."
    remedy = "List runs with `seatrial runs list`."


class SessionUnknown(NotFound):
    """There is no session {session!r}."""

    code = "session_unknown"
    cause = "No run was started in it, or not for a caller like this one."
    remedy = "List sessions with `seatrial sessions list`."


class SessionOfOther(Denied):
    """The session {session!r} is not for this caller."""

    code = "session_of_other"
    cause = (
        "A session belongs to the name of the token that began it; its turns are told to no other."
    )
    remedy = (
        "Name a session of your own, or use a token of that name or with the permission `payload`."
    )


class SessionAmbiguous(Conflict):
    """The session {session!r} exists for several agents: {agents}."""

    code = "session_ambiguous"
    cause = "Sessions are named by callers, for each agent and tenant apart."
    remedy = "Add `?agent=` with one of them."


class GenerationBehind(Unavailable):
    """This cell is at generation {generation}; the caller has met {seen}."""

    code = "generation_behind"
    cause = "Another cell of the environment has switched already; this one follows shortly."
    remedy = "Send the request again after the time in `Retry-After`."
    retry_after = 1


class ReleaseAway(Unavailable):
    """Release {release} is not in this process, and cannot be fetched now: {reason}."""

    code = "release_away"
    cause = "The process is new to the cell, or lost its folder, and control does not answer."
    remedy = "Nothing: another process takes the run, or this one as soon as control answers."


class KeyReused(Conflict):
    """The idempotency key {key!r} was used for another request."""

    code = "idempotency_key_reused"
    cause = "A key names one request of a caller to an agent; this one has another body."
    remedy = "Make a fresh key for each new request, and keep it for its repetitions."


class QueueFull(Unavailable):
    """{queued} runs wait already."""

    code = "queue_full"
    cause = "Runs come in faster than they are done, for longer than the queue can bridge."
    remedy = "Send it again after the time in `Retry-After`; add workers, or slow the callers."
    retry_after = 2


class QueueShareFull(Unavailable):
    """{queued} runs of this caller wait already."""

    code = "queue_share_full"
    cause = "One caller may hold half of the queue's places, so that others find room."
    remedy = "Send it again after the time in `Retry-After`; add workers, or ask for fewer at once."
    retry_after = 2


class InputTooLarge(TooLarge):
    """The input has {size} bytes; at most {limit} are taken."""

    code = "input_too_large"
    cause = "Inputs are kept with their runs; large things belong into a store of their own."
    remedy = "Send a reference to what is large."


class RunRefused(Invalid):
    """The run is refused: {reason}."""

    code = "run_refused"
    cause = "A value is out of its range, or has a form that cannot be kept."
    remedy = "Mend the named field."


class RunStateConflict(Conflict):
    """The run {run!r} is {state}, so it cannot be {wish}."""

    code = "run_state_conflict"
    cause = "What was asked for fits only some states, and the run may have moved on meanwhile."
    remedy = "Look at it with `seatrial runs show`, then decide anew."


class WordsFull(Conflict):
    """{most} events are kept for the run {run!r} already."""

    code = "run_events_full"
    cause = "An event that comes before its run asks for it is kept, and nobody has asked so far."
    remedy = "Look at the run: its agent asks for other names, or the sender repeats itself."


class WaitMalformed(Invalid):
    """The wait is refused: {reason}."""

    code = "wait_malformed"
    cause = "A wait names one of `seconds`, `until` and `event`, each within its bounds."
    remedy = "Mend what is named."


class CursorMalformed(Invalid):
    """{text!r} is no place in a list."""

    code = "cursor_malformed"
    cause = "`after` takes what the answer before gave as `next`."
    remedy = "Begin without `after`."


class OutputTooLarge(Failed):
    """The output has {size} bytes; at most {limit} are kept."""

    code = "output_too_large"
    cause = "Outputs are kept with their runs; large things belong into a store of their own."
    remedy = "Let the agent return a reference to what is large."


class AttemptUnrecorded(Unavailable):
    """The attempt was given up, for its calls could not be recorded: {reason}."""

    code = "attempt_unrecorded"
    cause = "The cell's database failed in the middle, so the agent was answered with an error."
    remedy = "Look at the database if it happens often; the run itself is tried again."


class LeaseExpired(Failed):
    """The process that held the run gave no sign of life."""

    code = "lease_expired"
    cause = "It was killed, was stopped for too long, or lost the database."
    remedy = "Redrive it once the cause is gone; it was tried as often as its limits allow."


class WorkerStopped(Failed):
    """The process that held the run was told to stop."""

    code = "worker_stopped"
    cause = "A restart or an update; the run goes on in another process or the next one."
    remedy = "Nothing; it does not count as a try."


class SlotTimedOut(Unavailable):
    """No agent process was free for {seconds:g} s."""

    code = "slot_timed_out"
    cause = "Every process of the release was busy, or none could be started in time."
    remedy = "Allow more processes for each release, or fewer runs at once."


class Redriven(Failed):
    """A person sent the run on its way again."""

    code = "run_redriven"
    cause = "It had failed, and what made it fail is believed to be gone."
    remedy = "Nothing."


class RunAbandoned(Failed):
    """A person abandoned the run while it waited: {why}. {writes} writes had happened."""

    code = "run_abandoned"
    cause = "It waited for something that did not come, or had strayed from what it did before."
    remedy = "Look at its receipt for the writes, and undo them by hand where that is needed."


class RunStartedAnew(Failed):
    """A person started the run anew, as {anew}: {why}. {writes} writes had happened."""

    code = "run_started_anew"
    cause = "It waited for something that did not come, or had strayed from what it did before."
    remedy = "Look at its receipt for the writes; the new run knows nothing of them."


class LocalLeft(Failed):
    """The machine that ran it gave no sign of life."""

    code = "local_run_left"
    cause = "`seatrial test` was interrupted, or lost its connection to the cell."
    remedy = "Run it again."
