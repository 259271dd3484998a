"""Composition of Experts: a category for each request, an expert for each category."""
