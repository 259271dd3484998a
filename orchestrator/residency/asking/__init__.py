"""Whether a request may ask an expert now, or waits, or is refused.

`breaker.py` is pure; `health.py` has one for each expert, and the clock. `gate.py` is the queue
before an expert that none of our slots runs.
"""
