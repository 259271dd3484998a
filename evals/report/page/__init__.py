"""The HTML page: one file, no request to anywhere, and nothing of a model is markup."""
