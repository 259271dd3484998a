"""A running service takes over another configuration: checked, compared, applied, or taken back.

`config_file` is the file that it was started with, `routers` makes the routers of a configuration,
`reloader` does the rest, and `watching` looks whether the file has changed.
"""
