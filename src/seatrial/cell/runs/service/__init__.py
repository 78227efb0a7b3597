"""Use cases of runs: accept, carry out, end, judge, show."""
