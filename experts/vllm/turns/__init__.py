"""Whose step comes next on a CPU, where the engines of a slot share one thread (ADR 0013)."""
