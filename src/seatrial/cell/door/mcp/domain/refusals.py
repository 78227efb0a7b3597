"""Why a request is refused before its message is read."""

from seatrial.kit.errors import Denied, Invalid


class OriginRefused(Denied):
    """A page of {origin!r} may not call the tools of an agent."""

    code = "mcp_origin_refused"
    cause = "Browsers name the page that sends a request; the inner door serves agents alone."
    remedy = "Call from the agent's own process, without the header `Origin`."


class AnswerFormRefused(Invalid):
    """The header `Accept: {given}` admits no answer that MCP could give."""

    code = "mcp_accept_refused"
    cause = "Answers are JSON, or a stream of events where a call takes long."
    remedy = "Send `Accept: application/json, text/event-stream`."
    status = 406
