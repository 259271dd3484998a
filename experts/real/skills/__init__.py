"""What the adapters are taught: questions from a seed, with the reply to learn."""
