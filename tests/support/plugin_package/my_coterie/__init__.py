"""A router, an aggregator and an engine that are not Coterie's own."""
