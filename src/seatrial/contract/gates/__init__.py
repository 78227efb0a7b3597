"""Gates: the pure decision whether evidence lets a closure into an environment."""
