"""Flags in flagd's format: checked, compiled once, evaluated without I/O, clock or chance.

The same rules answer in control, in a cell's door and inside an agent's process (`sdk.flags`).
"""
