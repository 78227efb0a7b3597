"""Use cases of models: passing calls on, counting, prices."""
