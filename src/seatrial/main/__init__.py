"""Settings, wiring, supervisor: the only place that joins rooms."""
