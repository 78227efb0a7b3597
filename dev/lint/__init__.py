"""Our own lint: what the design forbids and no general tool can see. Run `python -m dev.lint`."""
