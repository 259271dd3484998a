"""What happened to a request: its trace, what clients are told of it, and where it goes."""
