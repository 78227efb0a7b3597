"""The history of the tables of recorded calls."""
