"""Mixture of Thoughts (arXiv 2509.21164): experts that attend to each other between layers.

- Here: training (`train.py`), its losses and data, and a plain reference (`reference.py`).
- `routers/mixture_of_thoughts.py`: the primary expert of a request and the peers it attends to.
- `orchestrator/request/token_attribution.py`: tells a client which experts were attended to.
- `experts/fused/composites/mixture_of_thoughts/`: the model that vLLM serves.
- `experts/fused/folder/methods/mixture_of_thoughts.py`: what the config.json of its folder says.
- `experts/fused/torch_engine/mixture_of_thoughts.py`: the same where tokenizers differ.
- `evals/fitting/fuse/mixture_of_thoughts.py`: `coterie fuse mixture-of-thoughts`.
- `evals/benchmarks/fusion/`: what each of its parts is worth, and what serving it costs.
"""
