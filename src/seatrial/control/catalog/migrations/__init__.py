"""How the tables of releases came to be as they are."""
