"""API keys: how they are made and kept, and what each of them may still ask."""
