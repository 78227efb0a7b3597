"""The history of the tables of runs."""
