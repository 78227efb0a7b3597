"""Names that traces carry, and what cannot be told."""

from typing import Final

from seatrial.kit.errors import Denied, Invalid

# OpenTelemetry's names are written out here: its Python constants for generative AI are marked as
# moved, and will go.
ENVIRONMENT: Final = "deployment.environment.name"
SERVICE: Final = "service.name"
VERSION: Final = "service.version"
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL_ASKED: Final = "gen_ai.request.model"
MODEL_ANSWERED: Final = "gen_ai.response.model"
AGENT: Final = "gen_ai.agent.name"
AGENT_VERSION: Final = "gen_ai.agent.version"
CONVERSATION: Final = "gen_ai.conversation.id"
PROMPT: Final = "gen_ai.prompt.name"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
ERROR: Final = "error.type"
STATUS: Final = "http.response.status_code"
# There is no standard name for these.
RUN: Final = "seatrial.run.id"
RUN_STATE: Final = "seatrial.run.state"
ATTEMPT: Final = "seatrial.run.attempt"
LOCAL: Final = "seatrial.run.local"
RELEASE: Final = "seatrial.release.digest"
GENERATION: Final = "seatrial.generation"
OUTCOME: Final = "seatrial.run.outcome"
COST: Final = "seatrial.cost.usd"
PROMPT_DIGEST: Final = "seatrial.prompt.digest"
FIRST_BYTE: Final = "seatrial.call.first_byte_ms"


class LogsOfTenants(Denied):
    """The token {name!r} is bound to the tenant {tenant!r}, and logs are of all tenants."""

    code = "logs_of_tenants"
    cause = "A line of the log may tell of any tenant's run."
    remedy = "Use a token that is bound to no tenant."


class LogQueryRefused(Invalid):
    """The query for logs is refused: {reason}."""

    code = "log_query_refused"
    cause = "A filter has a value that it cannot have."
    remedy = "Use `follow=1`, `limit=1` to `10000`, `level`, `agent` and `run`."
