"""Contrastive decoding (arXiv 2210.15097) and proxy tuning (arXiv 2401.08565) in vLLM.

- `mix.py`: the logits, in plain torch. `model.py`: the vLLM model.
- `experts/fused/folder/methods/contrast.py`: what its config.json says.
- `aggregators/contrast/`: the reference, and where to find every other part.
"""
