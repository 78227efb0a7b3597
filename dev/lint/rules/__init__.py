"""One file for each rule, named by what it watches; `dev/lint/registry.py` lists them all."""
