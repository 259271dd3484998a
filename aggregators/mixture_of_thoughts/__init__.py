"""Mixture of Thoughts (arXiv 2509.21164): experts that hear each other between layers.

- Here: training (`train.py`), its losses and data, and a plain reference.
- `routers/mixture_of_thoughts.py`: who is the primary expert of a request, and whom it hears.
- `experts/fused/composites/mixture_of_thoughts/`: the model that vLLM serves.
- `experts/fused/folder/methods/mixture_of_thoughts.py`: what the config.json of its folder says.
- `experts/fused/torch_engine/mixture_of_thoughts.py`: the same where tokenizers differ.
- `evals/fitting/fuse/mixture_of_thoughts.py`: `coterie fuse mixture-of-thoughts`.
- `evals/benchmarks/fusion/`: what each of its parts is worth, and what serving it costs.
"""
