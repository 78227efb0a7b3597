"""Databases that actions write to."""
