"""Seeded, labelled defects over real or synthetic records."""
