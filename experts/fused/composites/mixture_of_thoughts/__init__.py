"""Mixture of Thoughts (arXiv 2509.21164) in vLLM.

- `mix.py`: the logits, in plain torch. `model.py`: the vLLM model.
- `interaction.py`, `attending.py`: the interaction layers, the same in training and in serving;
  `alike.py`: a faster form for steps whose rows are alike. `lockstep.py`: members, stack by stack.
- `listening.py`: what a client reads from its answers.
- `experts/fused/folder/methods/mixture_of_thoughts.py`: what its config.json says.
- `aggregators/mixture_of_thoughts/`: the training and the reference, and where to find every other
  part.
"""
