"""Batch evaluation of a pool: one sweep asks each expert once, every subject is made of that."""
