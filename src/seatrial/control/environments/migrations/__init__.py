"""How the tables of cells and keyrings came to be as they are."""
