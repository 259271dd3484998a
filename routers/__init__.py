"""Routers: they score the experts for a request, so that the plan can choose who answers.

- The protocol: `Router` and `Decision` in `base.py`. The table of types: `ROUTERS` in
  `registry.py`.
- The shortest example: `static.py`. The shortest that learns from outcomes: `knn.py`, a `Predictor`
  in the frame of `fitted/router.py`.
- A new router is a class with a `Config` and `route`, in a file of its own here, and one line in
  the table; its test is `tests/routers/test_<file>.py`.
"""
