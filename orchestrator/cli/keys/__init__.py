"""`coterie key`: makes, lists and revokes API keys."""
