"""What an agent's author may import: light, typed, and standing on nothing else of Seatrial."""
