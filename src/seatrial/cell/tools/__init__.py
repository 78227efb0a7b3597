"""Actions, decisions, modes, connectors, sinks, outbox and reviews."""
