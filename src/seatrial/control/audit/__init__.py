"""The transparency log: who changed what, on which evidence."""
