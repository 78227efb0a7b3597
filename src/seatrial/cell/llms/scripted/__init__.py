"""A model provider that says what it was told to say, for demos, tests and recordings."""
