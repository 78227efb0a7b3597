"""The values of assessment."""
