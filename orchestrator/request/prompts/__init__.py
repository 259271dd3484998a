"""Completions of several prompts: each is answered by itself, and one answer is made."""
