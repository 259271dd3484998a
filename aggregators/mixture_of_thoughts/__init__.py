"""Mixture of Thoughts (arXiv 2509.21164): experts that hear each other between layers."""
