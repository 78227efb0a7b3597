"""One file for each generated page; `dev/reference/registry.py` lists them all."""
