"""Use cases of telling: receipts, logs, traces, metrics."""
