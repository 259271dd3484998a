"""The bodies of the token endpoints as typed models: what a client may say, and in what range."""
