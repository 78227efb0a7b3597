"""`seatrial data`: masks, verifies, loads and damages data; needs no server."""
