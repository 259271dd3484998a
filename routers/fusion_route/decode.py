"""Greedy decoding of the fused policy, many questions at a time, for evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from experts.fused.training.encoding import Say
from routers.fusion_route.model import FusionRouter, Members

NO_EXPERT = "none"
"""In the place of an expert's name: the router answers alone."""

MOST_ROWS = 256
"""Answers that grow together; bounds the memory of their key-value caches."""


@dataclass(frozen=True, slots=True)
class Role:
    """A way to decode: who chooses the expert, and whether the router's logits are added."""

    name: str
    expert: str | None
    """None: the head decides; a member's name: always that one; "none": the router alone."""
    router_logits: bool


def all_roles(members: Sequence[str]) -> tuple[Role, ...]:
    """List the roles of a fused model, in the order of their role tokens."""
    forced = [
        role
        for name in members
        for role in (Role(name, name, True), Role(f"{name}_only", name, False))
    ]
    return (
        Role("route", None, True),
        Role("route_only", None, False),
        Role("router", NO_EXPERT, True),
        *forced,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer, without the end-of-text token."""

    tokens: tuple[int, ...]
    experts: tuple[int, ...]
    """Index of the expert behind each token, the final one included; -1 for none."""
    finished: bool
    """Whether it ended with the end-of-text token rather than at the bound on its length."""


class _Stream:
    """One model reading the growing rows of a group, with its own key-value cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cache: Any = None

    def read(self, tokens: Tensor) -> Tensor:
        """Read further tokens [B, t]; the last hidden states at the last of them, [B, d]."""
        done = self._model.base_model(input_ids=tokens, past_key_values=self._cache, use_cache=True)
        self._cache = done.past_key_values
        last: Tensor = done.last_hidden_state[:, -1]
        return last

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Turn hidden states [B, d] into log-probabilities [B, V], in nats."""
        logits: Tensor = self._model.get_output_embeddings()(hidden)
        return logits.float().log_softmax(-1)


class FusedPolicy:
    """The router and the experts it runs with, ready to decode."""

    def __init__(self, router: FusionRouter, members: Members, eos: int) -> None:
        self._router = router.eval()
        self._members = members
        self.eos = eos

    @property
    def members(self) -> tuple[str, ...]:
        """The experts' names, in the order of the head's outputs."""
        return self._members.names

    @torch.no_grad()
    def decode(
        self, prompts: Sequence[Sequence[int]], role: Role, most_tokens: int, say: Say
    ) -> list[Answer]:
        """Answer prompts greedily (section 3.1) with at most `most_tokens` tokens each.

        Ties go to the lower token id. Prompts of one length grow together, so none needs padding.
        """
        answers: dict[int, Answer] = {}
        for group in _groups(prompts):
            tokens = torch.tensor([prompts[index] for index in group])
            answers |= zip(group, self._decode(tokens, role, most_tokens), strict=True)
            say(f"{role.name} has answered {len(answers)} of {len(prompts)} questions")
        return [answers[index] for index in range(len(prompts))]

    def _decode(self, tokens: Tensor, role: Role, most_tokens: int) -> list[Answer]:
        router = _Stream(self._router.router) if _needs_router(role) else None
        names = _needed_members(role, self.members)
        streams = {name: _Stream(self._members.models[name]) for name in names}
        texts: list[list[int]] = [[] for _ in tokens]
        experts: list[list[int]] = [[] for _ in tokens]
        open_rows = set(range(len(tokens)))
        for _ in range(most_tokens):
            scores, choice = self._next(router, streams, tokens, role)
            best = scores.argmax(-1)
            for row in sorted(open_rows):
                experts[row].append(int(choice[row]))
                if int(best[row]) == self.eos:
                    open_rows.remove(row)
                else:
                    texts[row].append(int(best[row]))
            if not open_rows:
                break
            tokens = best[:, None]
        return [
            Answer(tuple(text), tuple(who), row not in open_rows)
            for row, (text, who) in enumerate(zip(texts, experts, strict=True))
        ]

    def _next(
        self,
        router: _Stream | None,
        streams: Mapping[str, _Stream],
        tokens: Tensor,
        role: Role,
    ) -> tuple[Tensor, Tensor]:
        """Read tokens [B, t]; the next token's scores [B, V] and the expert behind each [B]."""
        read = {name: stream.log_probs(stream.read(tokens)) for name, stream in streams.items()}
        choice = torch.full((len(tokens),), -1)
        if role.expert not in (None, NO_EXPERT):
            choice[:] = self.members.index(str(role.expert))
        own: Tensor | None = None
        if router is not None:
            hidden = router.read(tokens)
            own = router.log_probs(hidden)
            if role.expert is None:
                choice = self._router.route_head(hidden).argmax(-1)
        if not read:
            assert own is not None
            return own, choice
        rows = torch.arange(len(tokens))
        known = {self.members.index(name): place for place, name in enumerate(read)}
        places = torch.tensor([known[int(index)] for index in choice])
        expert = torch.stack(list(read.values()))[places, rows]
        return (expert + own if own is not None and role.router_logits else expert), choice


def _needs_router(role: Role) -> bool:
    return role.router_logits or role.expert is None


def _needed_members(role: Role, members: Sequence[str]) -> tuple[str, ...]:
    if role.expert is None:
        return tuple(members)
    return () if role.expert == NO_EXPERT else (role.expert,)


def _groups(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    for indices in by_length.values():
        for start in range(0, len(indices), MOST_ROWS):
            yield indices[start : start + MOST_ROWS]
