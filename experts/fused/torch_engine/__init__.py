"""Fused experts that vLLM can not serve, because their members have different tokenizers."""
