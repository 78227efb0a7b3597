"""Pure numbers: e-processes, confidence sequences, sample-ratio checks, drift.

Every instrument is a frozen plan and a frozen state: `plan.start()`, `plan.step(state, value)`.
Nothing here reads a clock, a file or a source of randomness; a random generator is an argument.
"""
