"""The history of the journal's table."""
