"""People, tokens and roles."""
