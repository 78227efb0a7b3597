"""The switch as control decides it, and every refusal by name."""
