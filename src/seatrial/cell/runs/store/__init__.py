"""The tables of runs, and every statement on them."""
