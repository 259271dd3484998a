"""Which experts are not asked for a while: those that keep failing, and those that ask for it.

`breaker.py` is pure; `health.py` has one for each expert, and the clock.
"""
