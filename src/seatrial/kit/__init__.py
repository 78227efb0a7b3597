"""Ground floor: clock, ids, errors, database, crypto, http, settings, logs.

Knows no domain. Every other room may stand on it; it stands on libraries alone.
"""
