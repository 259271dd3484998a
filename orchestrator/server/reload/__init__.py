"""Endpoints that change a running service's configuration, and show which one it has."""
