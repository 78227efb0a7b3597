"""Keys, signatures, sealed boxes, canonical JSON and DSSE envelopes.

Thin shapes over `cryptography`; no primitive is our own.
"""
