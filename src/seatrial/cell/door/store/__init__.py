"""What the door keeps: tokens, drafts, slots of local runs."""
