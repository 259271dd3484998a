"""Choosing the next token of one request, as vLLM's sampler does with the same parameters."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a request wants its tokens chosen; the defaults change nothing."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    min_tokens: int = 0
    seed: int | None = None


class Sampler:
    """Chooses tokens; it keeps what was generated, for the penalties, and the random numbers."""

    def __init__(self, sampling: Sampling, prompt: tuple[int, ...], ends: frozenset[int]) -> None:
        """`ends` are the tokens that end an answer, which `min_tokens` holds back."""
        self._how = sampling
        self._ends = sorted(ends)
        self._prompt = set(prompt)
        self._said: Counter[int] = Counter()
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def pick(self, log_probs: Tensor) -> int:
        """The next token, from log-probabilities [vocabulary]."""
        logits = self._penalised(log_probs)
        token = int(logits.argmax()) if self._how.temperature == 0 else self._draw(logits)
        self._said[token] += 1
        return token

    def _penalised(self, log_probs: Tensor) -> Tensor:
        how, logits = self._how, log_probs.clone()
        if how.repetition_penalty != 1:
            seen = torch.tensor(sorted(self._prompt | set(self._said)))
            old = logits[seen]
            logits[seen] = torch.where(
                old > 0, old / how.repetition_penalty, old * how.repetition_penalty
            )
        for token, count in self._said.items():
            logits[token] -= how.presence_penalty + how.frequency_penalty * count
        if self._said.total() < how.min_tokens:
            logits[self._ends] = -torch.inf
        return logits

    def _draw(self, logits: Tensor) -> int:
        how = self._how
        shares = (logits / how.temperature).softmax(-1)
        if how.min_p:
            shares = shares.where(shares >= how.min_p * shares.max(), 0.0)
        ordered, tokens = shares.sort(descending=True, stable=True)
        if how.top_k:
            ordered[how.top_k :] = 0
        if how.top_p < 1:
            ordered = ordered / ordered.sum()
            ordered[(ordered.cumsum(-1) - ordered) >= how.top_p] = 0
        drawn = torch.multinomial(ordered, 1, generator=self._random)
        return int(tokens[drawn])
