"""A release's actions, served over MCP at the inner door: no sessions, two eras of the protocol."""
