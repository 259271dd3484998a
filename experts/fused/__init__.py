"""What all fused experts share: the folder on disk, composites in vLLM, torch engine, training."""
