"""Composition of Experts over budgets of parameters: what `coterie router map` measures."""
