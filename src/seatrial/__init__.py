"""Seatrial: release control for AI agents.

A top folder is a process border; `ARCHITECTURE.md` draws the map and `pyproject.toml` enforces it.
"""
