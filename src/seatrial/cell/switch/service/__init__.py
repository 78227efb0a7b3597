"""What the cell does with the switch, and what other rooms ask of it."""
