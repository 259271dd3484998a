"""Whom a run evaluates, and how each of them answers."""
