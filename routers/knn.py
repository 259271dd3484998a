"""Nearest neighbours: an expert is as good as it was on the most similar probe questions."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from experts.errors import ConfigError
from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig
from routers.outcomes import HINT, OutcomeTable, Query

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]

BLOCK = 256
"""Requests compared with all questions at once; bounds the memory of a large batch."""

SHOWN_NEIGHBOURS = 3
SHOWN_CHARACTERS = 200


class KnnRouter:
    """Cosine nearest neighbours over the outcome table; fitted by reading it.

    An expert's score is the mean of its scores on the neighbours that it answered, drawn to its
    overall mean with the weight `prior_weight`. A neighbour weighs its similarity, times
    exp(-how much less similar than the nearest / `temperature`). So an expert with few answers
    near the request, or a request far from every question, gets the overall mean. Equal scores
    go to the higher overall mean, then by name.

    The constructor reads the table, embeds the questions that come without a vector, and loads
    the encoder, so that the first request does not wait for it. It raises ConfigError where the
    table is wrong or knows none of the experts. `warnings` holds a sentence for each expert
    that the table does not know, and that is therefore never scored.
    """

    class Config(RouterConfig):
        """The keys of a nearest-neighbour router."""

        type: Literal["knn"]
        outcomes: Path = Field(description="The outcome table that `coterie profile` wrote.")
        neighbours: int = Field(16, ge=1, le=1024, description="Questions that are looked at.")
        temperature: float = Field(
            0.1, gt=0, description="Lower listens more to the nearest, higher to all neighbours."
        )
        prior_weight: float = Field(
            0.3,
            gt=0,
            description="Weight of an expert's overall mean; the nearest's is its similarity.",
        )

    def __init__(
        self,
        name: str,
        config: Config,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        table = OutcomeTable.read(config.outcomes)
        queries, known, scores = table.matrix()
        scored = [expert for expert in known if expert in experts]
        if not scored:
            message = f"routers.{name}.outcomes: {config.outcomes} knows none of the experts"
            raise ConfigError(f"{message} ({', '.join(experts)}).", hint=HINT)
        self.warnings = tuple(
            f"routers.{name}: {expert} is never chosen, because {config.outcomes} has no outcomes"
            " of it; run `coterie profile --config FILE`."
            for expert in experts
            if expert not in scored
        )
        scores = scores[:, [known.index(expert) for expert in scored]]
        means = np.nanmean(scores, axis=0)
        # Best mean first, then by name (`known` is sorted): a stable sort by score keeps ties so.
        order = np.argsort(-means, kind="stable")
        answered = np.flatnonzero(~np.isnan(scores).all(axis=1))
        self._experts = [scored[column] for column in order]
        self._means = means[order]
        self._scores = scores[np.ix_(answered, order)]
        self._queries = [queries[row] for row in answered]
        self._encoder = encoder()
        self._embeddings = table.with_embeddings(self._encoder).embeddings()[answered]
        self._encoder.encode([self._queries[0].text])
        self._neighbours = min(config.neighbours, len(answered))
        self._temperature = config.temperature
        self._prior_weight = config.prior_weight

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request; blocks for some milliseconds of CPU per request."""
        decisions: list[Decision] = []
        vectors = self._encoder.encode([request.query for request in requests])
        for start in range(0, len(requests), BLOCK):
            nearest, similarities = self._find(vectors[start : start + BLOCK])
            scores = self._score(nearest, similarities)
            decisions += map(self._decide, nearest, similarities, scores)
        return decisions

    def _find(self, vectors: Floats) -> tuple[Indices, Floats]:
        """Rows and similarities of the neighbours, each [requests, neighbours], best first."""
        # One by one: the last bits of a product depend on how many rows are multiplied together,
        # and a request must be routed the same alone and in a batch. 30 us for the zoo's table.
        products = np.stack([self._embeddings @ vector for vector in vectors])
        similarities = np.round(products, 5)
        found = np.argpartition(-similarities, self._neighbours - 1, axis=1)
        found = np.sort(found[:, : self._neighbours], axis=1)
        ranks = np.argsort(-np.take_along_axis(similarities, found, axis=1), axis=1, kind="stable")
        found = np.take_along_axis(found, ranks, axis=1)
        return found, np.take_along_axis(similarities, found, axis=1)

    def _score(self, nearest: Indices, similarities: Floats) -> Floats:
        """Scores [requests, experts] in 0..1."""
        scores = self._scores[nearest]  # [requests, neighbours, experts]
        similarities = similarities.astype(np.float64)
        fading = np.exp((similarities - similarities[:, :1]) / self._temperature)
        # A negative similarity says no more about an expert than a question far away.
        closeness = np.clip(similarities, 0.0, None) * fading
        weights = np.where(np.isnan(scores), 0.0, closeness[:, :, None])
        gained = (weights * np.nan_to_num(scores)).sum(axis=1)
        prior = self._prior_weight
        means: Floats = (gained + prior * self._means) / (weights.sum(axis=1) + prior)
        return np.round(np.clip(means, 0.0, 1.0), 6)

    def _decide(self, nearest: Indices, similarities: Floats, scores: Floats) -> Decision:
        order = np.argsort(-scores, kind="stable")
        queries = [self._queries[row] for row in nearest]
        ranked = tuple((self._experts[column], float(scores[column])) for column in order)
        best = int(order[0])
        own = self._scores[nearest, best]
        return Decision(
            router=self.name,
            scores=ranked,
            reason=_reason(queries, self._experts[best], own[~np.isnan(own)], self._means[best]),
            evidence={
                "neighbours": [
                    self._neighbour(row, similarity)
                    for row, similarity in zip(
                        nearest[:SHOWN_NEIGHBOURS], similarities[:SHOWN_NEIGHBOURS], strict=True
                    )
                ],
                "tasks": dict(Counter(query.task for query in queries).most_common()),
                "experts": {
                    self._experts[column]: _summary(self._scores[nearest, column])
                    for column in order
                },
            },
        )

    def _neighbour(self, row: int, similarity: float) -> dict[str, Any]:
        query = self._queries[row]
        scores = zip(self._experts, self._scores[row].tolist(), strict=True)
        return {
            "query": query.text[:SHOWN_CHARACTERS],
            "task": query.task,
            "similarity": round(float(similarity), 3),
            "scores": {expert: score for expert, score in scores if not np.isnan(score)},
        }


def _summary(scores: Floats) -> dict[str, Any]:
    """How many of the neighbours an expert answered, and its mean score on those."""
    answered = scores[~np.isnan(scores)]
    mean = round(float(answered.mean()), 3) if answered.size else None
    return {"answered": int(answered.size), "mean_score": mean}


def _reason(queries: Sequence[Query], expert: str, scores: Floats, mean: float) -> str:
    tasks = Counter(query.task for query in queries).most_common(3)
    task, count = tasks[0]
    if count == len(queries):
        kind = task
    elif count > len(queries) / 2:
        kind = f"mostly {task}"
    else:
        kind = "mixed: " + ", ".join(f"{count} {task}" for task, count in tasks)
    if len(queries) == 1:
        nearest = f"The nearest probe question is {kind}"
    else:
        nearest = f"The {len(queries)} nearest probe questions are {kind}"
    if not scores.size:
        return f"{nearest}; {expert} has answered none of them, but scores {mean:.2f} overall."
    if np.isin(scores, (0.0, 1.0)).all():
        return f"{nearest}; {expert} answered {int(scores.sum())} of {scores.size} right."
    return f"{nearest}; {expert} scored {scores.mean():.2f} on {scores.size} of them."
