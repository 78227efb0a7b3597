"""Agent processes, a set for each release, isolated from all else, gone when their cell goes."""
