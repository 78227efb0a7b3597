"""The pre-production checklist, each line with its evidence."""
