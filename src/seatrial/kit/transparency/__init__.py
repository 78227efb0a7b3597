"""An append-only Merkle log for each process database, with proofs and signed checkpoints."""
