"""What runs are, what may become of them, and the rules that decide; no I/O."""
