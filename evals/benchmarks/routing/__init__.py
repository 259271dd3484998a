"""Routers and votes on recorded outcomes of real models, and compositions of a running pool."""
