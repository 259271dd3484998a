"""Who can answer: the experts of a pool, and the words that every package speaks."""
