"""The program in an agent's own environment: standard library only, never imports seatrial."""
