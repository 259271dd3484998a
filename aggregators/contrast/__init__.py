"""Contrastive decoding and proxy tuning; served by experts/vllm/composite/contrast.py."""
