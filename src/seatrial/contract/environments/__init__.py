"""Environments as data: their rules, and the profiles that name sets of rules."""
