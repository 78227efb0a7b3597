"""The steps of the vault's table."""
