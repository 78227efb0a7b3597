"""Agents, components and releases; their differences, export and import."""
