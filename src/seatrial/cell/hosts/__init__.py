"""Agent processes, one set for each release digest, and their isolation levels."""
