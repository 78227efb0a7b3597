"""Rows of calls with their bodies, and the passage of one call through the rule of matching."""
