"""Leases: one leader among processes on one database, fenced by an epoch."""
