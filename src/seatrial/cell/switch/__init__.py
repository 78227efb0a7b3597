"""Verifies what control orders, prepares it, and flips to it in one transaction."""
