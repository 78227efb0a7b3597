"""The generated pages: what the code says of itself. Run `python -m dev.reference`."""
