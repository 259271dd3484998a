"""What the console is told of the pool, of routing and of reports, as types."""
