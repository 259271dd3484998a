"""Asking a running service: many questions at a time, under load, with signs of life."""
