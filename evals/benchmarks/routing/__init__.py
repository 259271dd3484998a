"""Routers on recorded outcomes of real models, beside what they must beat."""
