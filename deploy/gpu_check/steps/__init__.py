"""The steps of the check: each module has a `run` that raises where something is wrong."""
