"""Actions on their way from an agent to what they are performed on."""
