"""Who can answer: the experts of a pool, and the types and errors that every package uses."""
