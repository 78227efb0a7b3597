"""The words for runs that a cell's callers use: states, outcomes, permissions."""
