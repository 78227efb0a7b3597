"""Decides what may run where.

Holds no customer payload and no plaintext secret; speaks to cells through `contract`.
"""
