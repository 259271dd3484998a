"""Mixture of Thoughts in vLLM; trained in aggregators/mixture_of_thoughts/."""
