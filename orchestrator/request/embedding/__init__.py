"""Embeddings: what a request may ask for, and those of the service's own encoder."""
