"""Self-contrast of mixtures of experts; served by experts/vllm/composite/self_contrast.py."""
