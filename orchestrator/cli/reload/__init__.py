"""Commands about the configuration of a running service: reload it, compare two files."""
