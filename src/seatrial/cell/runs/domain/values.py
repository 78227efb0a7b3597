"""Runs, sessions and what is said of them, as values."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from seatrial.cell.journal.domain.rows import Mode
from seatrial.contract.runs.states import ENDED, Lane, Outcome, RunState, WaitReason
from seatrial.kit.crypto.digests import Digest

INTERACTIVE_PRIORITY: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a run has used.

    Attributes:
        input_tokens: that its models read.
        output_tokens: that they wrote.
        cost_usd: their price.
        calls: of models and tools.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    calls: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why an attempt, or a run, did not succeed.

    Attributes:
        code: stable name, such as `agent_raised`.
        message: one sentence; it may quote the agent's data, so it counts as payload.
    """

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What became of a run for the business, as it was said last.

    Attributes:
        outcome: what.
        note: why; payload.
        at: when it was said.
        by: id of the token that said it.
    """

    outcome: Outcome
    note: str
    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """What somebody thinks of a run's answer.

    Attributes:
        thumbs: True for up.
        score: 0 to 1.
        comment: payload.
        correction: what the output should have been, any JSON; payload. None for none.
    """

    thumbs: bool | None = None
    score: float | None = None
    comment: str = ""
    correction: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One entry in the history of what was said of a run.

    Attributes:
        id: of the entry.
        at: when.
        by: id of the token.
        judgement: the outcome, or
        feedback: the opinion; one of the two.
    """

    id: str
    at: datetime
    by: str
    judgement: Judgement | None = None
    feedback: Feedback | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """What a run waits for, while nothing of it lives.

    Attributes:
        reason: of which kind.
        since: from when on.
        until: when a timer goes off; None for none.
        detail: for people: the name of the question, or how the agent strayed.
        seq: of the journal's row that is asked about; None where there is no one row.
    """

    reason: WaitReason
    since: datetime
    until: datetime | None = None
    detail: str = ""
    seq: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One execution of an agent, as it stands.

    Attributes:
        id: its name; sorts by birth.
        agent: whose.
        release: on which it runs to its end; None for local code.
        release_name: such as `support@14`.
        generation: in force when it was accepted.
        session: the thread of runs that it belongs to.
        tenant: whose data it holds; empty where tenants are not told apart.
        caller: id of the token that started it.
        state: where it stands.
        input: what the agent is given.
        output: what it answered.
        failure: of the run, or of the last attempt while another is to come.
        attempt: the number of the present or last attempt; it rises for ever.
        forgiven: attempts that do not count against the bound, since nothing was wrong with them.
        attempts: tries at most, where the reason is passing.
        own_attempts: tries at most, where the agent itself raised.
        priority: 0 first, 9 last.
        lane: its queue.
        tags: for search.
        local: somebody's own machine ran it.
        counted: it counts in the facts of its release.
        created: when it was accepted.
        started: when its first attempt began.
        ended: when it came to its end.
        timeout_seconds: of one attempt.
        steps: model and tool calls at most.
        dead: it failed because its tries were used up; a person may send it on its way again.
        judgement: what became of it for the business.
        usage: what it used; known when it has ended.
        worker: the process that holds it.
        mode: what it may do; all but replays and shadows are live.
        follows: the run whose recorded results it may take, or the digest of its fixture; None for
            neither.
        waits: what it waits for; None unless it is waiting.
    """

    id: str
    agent: str
    release: Digest | None
    release_name: str
    generation: int
    session: str | None
    tenant: str
    caller: str
    state: RunState
    input: Any = None
    output: Any = None
    failure: Failure | None = None
    attempt: int = 0
    forgiven: int = 0
    attempts: int = 1
    own_attempts: int = 1
    priority: int = INTERACTIVE_PRIORITY
    lane: Lane = Lane.INTERACTIVE
    tags: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    counted: bool = True
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    timeout_seconds: float
    steps: int | None = None
    dead: bool = False
    judgement: Judgement | None = None
    usage: Usage = Usage()
    worker: str | None = None
    mode: Mode = Mode.LIVE
    follows: str | None = None
    waits: Wait | None = None

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self.state in ENDED

    @property
    def tries(self) -> int:
        """Attempts that count against the bound."""
        return self.attempt - self.forgiven


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a run comes to its end.

    Attributes:
        state: one of the ends.
        at: when.
        output: the answer, as JSON; None for none.
        failure: why there is none.
        dead: see `Run`.
        usage: see `Run`.
    """

    state: RunState
    at: datetime
    output: str | None = None
    failure: Failure | None = None
    dead: bool = False
    usage: Usage = Usage()


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A run as its caller asks for it.

    Attributes:
        agent: whose.
        input: any JSON value.
        caller: id of the token.
        caller_name: the token's; one that is made in its place has the same.
        payload: the caller may see what runs of others hold.
        tenant: of the caller.
        session: the thread to go on with.
        lane: the queue.
        priority: 0 first, 9 last.
        tags: for search.
        timeout_seconds: of one attempt; None for the release's.
        key: by which the same request is known again.
        seen: the newest generation that the caller has met.
        counted: False for test and evaluation.
        mode: what it may do.
        follows: what answers it instead of the world; None for nothing.
        release: on which, whatever is in force; None for that or its session's.
    """

    agent: str
    input: Any
    caller: str
    caller_name: str
    payload: bool = False
    tenant: str = ""
    session: str | None = None
    lane: Lane = Lane.INTERACTIVE
    priority: int = INTERACTIVE_PRIORITY
    tags: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    key: str | None = None
    seen: int | None = None
    counted: bool = True
    mode: Mode = Mode.LIVE
    follows: str | None = None
    release: Digest | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a person decides of a run that waits.

    Attributes:
        by: id of the token.
        why: in words.
    """

    by: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A thread of runs.

    Attributes:
        name: the caller's name for it, unique for its agent and tenant.
        agent: whose.
        tenant: whose data.
        owner: the name of its first caller's token; None where that is not known.
        release: on which it stays until it is idle.
        release_name: for people.
        generation: under which it took that release.
        turns: runs accepted in it.
        created: its first run's acceptance.
        last: the last time that a run of it was accepted or ended.
    """

    name: str
    agent: str
    tenant: str
    owner: str | None
    release: Digest
    release_name: str
    generation: int
    turns: int
    created: datetime
    last: datetime


class EventKind(enum.StrEnum):
    """What happens in a run, as a stream tells it."""

    ACCEPTED = "accepted"
    STARTED = "started"
    CHUNK = "chunk"
    RESTARTED = "restarted"
    WAITING = "waiting"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEvent:
    """One event of a run.

    Attributes:
        seq: rises within the run; a listener who lost the line says the last one that it has.
        kind: what happened.
        data: a chunk; of `restarted`, the number of the attempt to come and the reason; of
            `waiting`, what it waits for.
        run: the run as it then stood, for `accepted`, `started` and `ended`.
    """

    seq: int
    kind: EventKind
    data: Any = None
    run: Run | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Consecutive events of one kind, as they are kept.

    Attributes:
        first: seq of the first.
        kind: of all.
        parts: the data of each, in order.
        at: when they were kept.
    """

    first: int
    kind: EventKind
    parts: tuple[Any, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which runs to list; None does not matter.

    Attributes:
        tag: name and value.
        caller: only those that this token started.
        waits: waiting, for this reason.
        troubled: of customers, and failed, or said to have ended otherwise than resolved.
    """

    agent: str | None = None
    waits: WaitReason | None = None
    state: RunState | None = None
    session: str | None = None
    release: str | None = None
    tag: tuple[str, str] | None = None
    local: bool | None = None
    dead: bool | None = None
    tenant: str | None = None
    caller: str | None = None
    troubled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionFilter:
    """Which sessions to list; None does not matter.

    Attributes:
        caller: only those in which this token started a run.
        after: time and name of the last one seen.
    """

    agent: str | None = None
    tenant: str | None = None
    name: str | None = None
    caller: str | None = None
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How a cell runs. Times in seconds, sizes in bytes.

    Attributes:
        concurrency: runs at once in this process.
        per_agent: of these, of one agent: a slow one must not take all.
        queued: runs that may wait in the cell, half of them of one caller; one more is refused.
        lease: after so long without a sign of life a worker's runs are given to others.
        poll: how often to look for work of other processes.
        timeout: of an attempt where neither caller nor release says.
        longest_timeout: that a caller may ask for.
        attempts: tries where the release says nothing.
        slot: how long an attempt may wait for an agent process.
        input: largest input, as JSON.
        output: largest output, likewise.
        turns: earlier runs of its session that an agent is told of.
        history: their size together.
        grace: how long runs may go on when the cell is told to end.
        local_lease: as `lease`, for runs on somebody's own machine.
        chunks: shortest pause between two writes of one run's chunks.
    """

    concurrency: int = 64
    per_agent: int = 48
    queued: int = 10_000
    lease: float = 6.0
    poll: float = 0.25
    timeout: float = 600.0
    longest_timeout: float = 86_400.0
    attempts: int = 3
    slot: float = 120.0
    input: int = 1 << 20
    output: int = 4 << 20
    turns: int = 50
    history: int = 1 << 20
    grace: float = 20.0
    local_lease: float = 60.0
    chunks: float = 0.05

    @property
    def share(self) -> int:
        """Runs of one caller that may wait."""
        return max(1, self.queued // 2)
