"""Batches: files of requests that are answered beside live traffic, each line once.

A line is kept under its number in a log of the store before it is run, and so is what came of it.
Whatever dies, what is in the log of results is done, and everything else is done again.
"""
