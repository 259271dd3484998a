"""`coterie doctor`: looks whether this machine can run a configuration, and says what to do.

What is read of the machine (`machine.py`, `engine.py`, `ports.py`, `store.py`, `cluster.py`) is
apart from what follows from it (`machine_checks.py`, `engine_checks.py`, `exposure.py`, and so on),
which is pure.
"""
