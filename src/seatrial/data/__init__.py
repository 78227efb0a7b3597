"""Masking, edge cases and fixtures: a library and commands that need no server."""
