"""Rows of calls and their bodies: SQL and nothing else."""
