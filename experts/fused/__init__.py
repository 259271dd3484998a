"""Fused experts: several models that answer as one, and everything that all methods share.

Every method has the same parts, so that it is found from any of them:

- `folder/methods/METHOD.py`: what the config.json of its folder says.
- `composites/METHOD/mix.py`: how it combines logits, in plain torch.
- `composites/METHOD/model.py`: the model that vLLM serves.
- `routers/METHOD/` or `aggregators/METHOD/`: its reference, and its training where it has one.
- `evals/fitting/fuse/`: the `coterie fuse` command that makes its folder.

METHOD is `fusion_route`, `mixture_of_thoughts`, `contrast` or `self_contrast`. What they share:
`folder/` (reading and writing), `composites/` (roles and members in vLLM), `training/` and
`torch_engine/` (where members have different tokenizers).
"""
