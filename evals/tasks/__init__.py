"""Benchmark tasks: questions with known answers, and how answers are scored."""
