"""The pool's engines change while it serves: `roster` (who there is), `changes` (from one set to
another: what comes, goes, returns or gets other bounds, and whether it could be loaded).
"""
