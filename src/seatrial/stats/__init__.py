"""Pure numbers: e-processes, confidence sequences, sample-ratio checks, drift."""
