"""Actions as values: what an agent is told, what is performed, and what is refused."""
