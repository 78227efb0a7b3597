"""What control and cells say to each other: pure values and rules, no I/O.

Both sides import these and nothing of one another, so a rule has one meaning everywhere.
"""
