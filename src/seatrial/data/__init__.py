"""Masking, edge cases and fixtures: a library and a CLI that also work with no server."""
