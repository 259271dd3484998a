"""Answers that are given more than once: kept ones, and those of equal requests under way."""
