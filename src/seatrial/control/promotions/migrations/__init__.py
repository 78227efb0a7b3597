"""How the tables of promotions came to be."""
