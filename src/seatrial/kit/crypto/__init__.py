"""Keys, signatures, sealed boxes, encrypted rows, tokens, canonical JSON and DSSE envelopes.

Thin shapes over `cryptography`; no primitive is our own.
"""
