"""The switch as seen from both sides: what control wants of a cell, and the words of its API."""
