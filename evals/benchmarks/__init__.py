"""Benchmarks: what the pool is worth, and what it costs."""
