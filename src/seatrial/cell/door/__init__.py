"""The HTTP front of a cell: agent endpoints, model API, tool API, flags, outcomes."""
