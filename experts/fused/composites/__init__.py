"""Several language models that vLLM serves as one model: fused experts."""
