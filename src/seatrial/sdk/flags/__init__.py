"""Flags inside an agent's own process: an OpenFeature provider that asks no server."""
