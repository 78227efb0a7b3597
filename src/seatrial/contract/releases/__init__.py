"""A release: its components by digest, the bundle rules, and how two releases differ."""
