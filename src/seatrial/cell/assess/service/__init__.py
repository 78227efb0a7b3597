"""What may be done with payloads in a cell."""
