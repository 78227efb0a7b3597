"""What is done with calls: recorded, answered again, metered."""
