"""Commands that play a pool through before it is bought: in simulated time, with its own policy."""
