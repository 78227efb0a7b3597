"""The history of the vault's table."""
