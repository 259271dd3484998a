"""A completion of several prompts: each is routed and answered by itself, and one answer is made."""
