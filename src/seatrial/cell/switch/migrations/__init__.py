"""How the switch's tables came to be."""
