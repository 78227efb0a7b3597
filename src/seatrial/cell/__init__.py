"""Runs agents: one process for each environment and region.

Holds one environment's database, keys and secrets, never two; believes only evidence
that it has verified itself.
"""
