"""The `seatrial` command's own verbs: thin, over the same public APIs as everybody else."""
