"""`make demo`: the main job on this machine, from nothing, told as a story."""
