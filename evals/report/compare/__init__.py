"""Two runs on the same questions: paired differences, and which answers flipped."""
