"""The independent verifier: reads source and output, and imports nothing of the masker."""
