"""A small tagger of names and addresses, trained here from templates and pools."""
