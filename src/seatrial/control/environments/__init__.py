"""The promotion path, rules and profiles, cells and regions."""
