"""The steps of the journal's table."""
