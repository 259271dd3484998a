"""Self-contrast of mixtures of experts (SCMoE, arXiv 2405.14507).

- `reference.py`: plain torch, slow, and what the served model must match.
- `experts/fused/composites/self_contrast/`: the model that vLLM serves.
- `experts/fused/folder/methods/self_contrast.py`: what the config.json of its folder says.
- `evals/fitting/fuse/self_contrast.py`: `coterie fuse self-contrast` fits its settings to a task.
"""
