"""Debate: experts that discuss their answers, and two sides that argue before a judge."""
