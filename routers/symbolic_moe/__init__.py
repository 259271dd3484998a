"""Symbolic-MoE: a panel of experts by the skills that a question asks for."""
