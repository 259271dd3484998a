"""The pool's engines change while it serves.

`roster` knows who there is, `changes` leads from one set of experts to another: what comes, goes,
returns or gets other bounds, and whether it could be loaded. `happenings` remembers what has come
into the slots and left them.
"""
