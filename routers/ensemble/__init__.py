"""The mean of a kernel router and of several cluster routers, which are fitted together.

- Here: the router, its keys, and how it predicts (`router.py`).
- `routers/kernel.py` and `routers/clusters.py`: its members.
"""
