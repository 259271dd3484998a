"""Self-contrast in vLLM; reference in aggregators/self_contrast/."""
