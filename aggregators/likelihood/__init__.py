"""Pooled likelihood: how probable a given text is to several experts together, token by token.

- `mixture.py`: the arithmetic, a linear opinion pool. Pure.
- `answers.py`: what experts' servers send, read; what the client gets, made.
- `likelihood.py`: the keys, and what such a composition can be asked.

Who asks the experts is `orchestrator/request/likelihood_answer.py`.
"""
