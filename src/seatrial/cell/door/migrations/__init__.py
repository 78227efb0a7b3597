"""The history of the door's tables."""
