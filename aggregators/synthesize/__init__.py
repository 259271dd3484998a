"""Synthesis: one expert writes an answer out of those of several."""
