"""Contrastive decoding and proxy tuning in vLLM; reference in aggregators/contrast/."""
