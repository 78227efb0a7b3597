"""The rule of matching, and what it stands on: values and functions of values."""
