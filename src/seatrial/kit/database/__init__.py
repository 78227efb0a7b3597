"""One database per process: SQLite on a laptop, PostgreSQL across machines, the same promises.

A use case is one function of one connection, run as one transaction on a thread of the
database's own; the caller awaits its commit. What a store writes for both stands in `dialects.py`.
"""
