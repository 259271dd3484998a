"""`coterie size`: how many GPUs a pool and its traffic need, in simulated time.

`trace_file.py` reads what a service has written of its requests, `drawn.py` draws them instead;
`speeds.py` says what each call takes, `pool.py` what each engine takes and costs; `events.py` plays
it all through on so many slots, `search.py` finds how many are enough, and what limits.
"""
