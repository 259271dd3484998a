"""FusionRoute (arXiv 2601.05106): a small model corrects, token by token, the expert it chooses.

- Here: training (`train.py`), its losses and data, and a plain reference.
- `experts/fused/composites/fusion_route/`: the model that vLLM serves.
- `experts/fused/folder/methods/fusion_route.py`: what the config.json of its folder says.
- `evals/fitting/fuse/fusion_route.py`: `coterie fuse fusion-route`.
- `evals/benchmarks/fusion/`: the fused expert beside its members and other uses of them.
"""
