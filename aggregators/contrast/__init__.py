"""Contrastive decoding (arXiv 2210.15097) and proxy tuning (arXiv 2401.08565).

- `reference.py`: plain torch, slow, and what the served model must match.
- `experts/fused/composites/contrast/`: the model that vLLM serves.
- `experts/fused/folder/methods/contrast.py`: what the config.json of its folder says.
- `evals/fitting/fuse/contrast.py`: `coterie fuse contrast` writes its folder.
"""
