"""FusionRoute (arXiv 2601.05106): a small model corrects, token by token, the expert it chooses.

- Here: training (`train.py`), its losses and data, decoding for measurements, and a plain reference
  (`reference.py`) that the served model must match.
- `experts/fused/composites/fusion_route/`: the model that vLLM serves.
- `orchestrator/request/token_attribution.py`: tells a client which expert is behind each token.
- `experts/fused/folder/methods/fusion_route.py`: what the config.json of its folder says.
- `evals/fitting/fuse/fusion_route.py`: `coterie fuse fusion-route`.
- `evals/benchmarks/fusion/`: the fused expert beside its members and other uses of them.
"""
