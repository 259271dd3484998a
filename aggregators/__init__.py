"""Aggregators: they ask a panel of experts and turn the answers into one.

- The protocol: `Aggregator`, `Ask` and `Panel` in `base.py`. The table of types: `AGGREGATORS` in
  `registry.py`.
- The shortest example: `second_opinion.py`; the shortest with its own keys: `cascade/strategy.py`.
- Pieces to build from: `gather.py` (many calls at once), `single_call.py`, `sampling.py`,
  `tally.py`, `vote_weights.py`, `fencing.py` (quoting answers), `judging.py`, `answers/` and
  `equality.py`.
- A new aggregator is a class with a `Config` and `aggregate`, in a file or folder of its own here,
  and one line in the table; its test is `tests/aggregators/test_<file>.py`.
"""
