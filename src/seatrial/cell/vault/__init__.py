"""This environment's secrets, sealed to this cell's key."""
