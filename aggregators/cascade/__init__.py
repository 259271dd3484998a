"""Cascades: cheap experts first, dearer ones where those are not sure."""
