"""Accept, claim, segments, attempts, sessions, triggers, dead letters."""
