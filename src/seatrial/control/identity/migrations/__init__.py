"""How the tables of tokens came to be as they are."""
