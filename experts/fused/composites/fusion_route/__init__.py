"""FusionRoute (arXiv 2601.05106) in vLLM.

- `mix.py`: the logits, in plain torch. `model.py`: the vLLM model.
- `speaker.py`: what a client reads from its answers.
- `experts/fused/folder/methods/fusion_route.py`: what its config.json says.
- `routers/fusion_route/`: the training and the reference, and where to find every other part.
"""
