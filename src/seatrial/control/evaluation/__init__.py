"""Suites, criteria and verdicts, as digests and counts without payloads."""
