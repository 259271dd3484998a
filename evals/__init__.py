"""Measures whether the whole is better than its parts, and at what price; fits what is served."""
