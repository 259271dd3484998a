"""Ranking: several answers, and the best of them."""
