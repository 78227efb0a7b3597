"""What becomes of values and texts: pure functions of key, domain and value."""
