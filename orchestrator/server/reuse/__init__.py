"""Requests that do not run again: those with an `Idempotency-Key`, and the start of the cache."""
