"""Each call of a run, recorded before and after it happens, so that it happens once."""
