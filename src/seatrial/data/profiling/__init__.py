"""Proposes rules from data, and tells when the data have drifted from their rules."""
