"""Use cases: build a release offline, keep processes of it warm, run agents in them."""
