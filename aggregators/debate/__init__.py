"""Debate: experts who hear each other, and a judge who hears two sides."""
