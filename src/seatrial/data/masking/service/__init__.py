"""Masks a source into a snapshot: keys, dossiers, batches, resumption."""
