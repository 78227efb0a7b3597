"""What an agent's author may import: light, typed, and standing on pure contracts alone."""
