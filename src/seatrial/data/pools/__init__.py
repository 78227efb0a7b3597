"""Frozen names that nobody bears: built by `dev/pools.py`, versioned in every manifest."""
