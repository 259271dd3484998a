"""Whether expressions are equal, found by child processes that live on for the next pair."""
