"""A module whose import fails."""

raise RuntimeError("out of order")
