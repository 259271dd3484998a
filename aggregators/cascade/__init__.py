"""Cascades: cheap experts first, more expensive ones where those are not confident."""
