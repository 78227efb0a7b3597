"""What MCP says, as values: messages, versions, tools. Knows no socket and no clock."""
