"""Voting: the answer that most, or the most trusted, experts give."""
