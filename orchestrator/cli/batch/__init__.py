"""`coterie batch`: a file of requests, answered by a running service or by one started for it."""
