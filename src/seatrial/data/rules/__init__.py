"""What each column is and what becomes of it: rules in TOML, default-deny."""
