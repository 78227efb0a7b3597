"""The steps of the door's tables."""
