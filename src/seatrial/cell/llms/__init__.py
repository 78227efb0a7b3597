"""Model providers: routing, fallback, limits, budgets, pins, record and replay."""
