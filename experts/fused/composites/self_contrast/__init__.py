"""Self-contrast of mixtures of experts (SCMoE, arXiv 2405.14507) in vLLM.

- `mix.py`: the logits, in plain torch. `model.py`: the vLLM model.
- `twin.py`: two streams in one forward pass.
- `experts/fused/folder/methods/self_contrast.py`: what its config.json says.
- `aggregators/self_contrast/`: the reference, and where to find every other part.
"""
