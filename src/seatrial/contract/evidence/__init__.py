"""Evidence: what keys say of digests, who may say what, and how it is read back."""
