"""How a question is read and an answer written in each API of a model."""
