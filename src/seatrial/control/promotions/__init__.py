"""Gates, evidence, reviews, backup, publish and rollback."""
