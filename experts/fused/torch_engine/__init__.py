"""Fused experts that vLLM cannot serve, because their members have different tokenizers."""
