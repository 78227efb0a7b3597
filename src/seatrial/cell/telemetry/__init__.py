"""Receipts, spans, metrics and cost."""
