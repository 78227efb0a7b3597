"""Authoring and history of the flags that choose a release."""
