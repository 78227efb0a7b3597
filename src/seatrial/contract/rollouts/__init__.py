"""How traffic moves to a promoted release: the plan as data, and the pure rule that walks it.

Control executes a plan, a rehearsal plays it in virtual time; both call the same `decide`.
"""
