"""Use cases of the door: who may call, drafts of prompts, slots of local runs."""
