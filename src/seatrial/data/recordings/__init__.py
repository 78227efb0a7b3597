"""Conversations that an agent had elsewhere: what people said, what its model answered."""
