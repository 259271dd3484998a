"""Clusters of questions, and who is good in each (Avengers, arXiv 2505.19797)."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.cluster import KMeans

from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats, blocks


class ClustersConfig(FittedConfig):
    """The keys of a cluster router."""

    type: Literal["clusters"]
    clusters: int = Field(
        64,
        ge=1,
        le=4096,
        description="How many clusters of questions are made, at most one per different question.",
    )
    looked_at: int = Field(3, ge=1, description="How many of the nearest clusters count.")
    temperature: float = Field(
        0.1,
        gt=0,
        description="Lower values weigh the nearest cluster more, higher ones weigh all alike.",
    )
    prior_weight: float = Field(
        4.0,
        ge=0,
        description="How many answers at its overall mean each expert is credited with in every"
        " cluster.",
    )
    seed: int = Field(0, ge=0, description="Seed of the clusters' first centres.")


class Clusters(Predictor):
    """k-means on the vectors; an expert's score is its mean in the nearest clusters.

    The mean in a cluster is drawn to the overall mean, and clusters count by
    exp(-how much farther than the nearest / `temperature`).
    """

    def __init__(
        self, means: Floats, centres: Floats, scores: Floats, config: ClustersConfig
    ) -> None:
        self.means = means
        self._centres = centres
        self._scores = scores
        self._config = config

    @classmethod
    def fit(cls, evidence: Evidence, config: ClustersConfig) -> Self:
        count = min(config.clusters, len(np.unique(evidence.vectors, axis=0)))
        found = KMeans(count, n_init=1, random_state=config.seed).fit(evidence.vectors)
        member = np.eye(count)[found.labels_]  # [N, clusters]
        asked = member.T @ ~np.isnan(evidence.scores)
        gained = member.T @ np.nan_to_num(evidence.scores)
        prior = config.prior_weight
        overall = np.broadcast_to(evidence.means, gained.shape)
        drawn = np.divide(
            gained + prior * overall, asked + prior, out=overall.copy(), where=asked + prior > 0
        )
        return cls(evidence.means, found.cluster_centers_, drawn, config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: ClustersConfig
    ) -> Self:
        if arrays["scores"].shape != (len(arrays["centres"]), len(evidence.experts)):
            raise ValueError("the clusters are not of these experts")
        return cls(evidence.means, arrays["centres"], arrays["scores"], config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"centres": self._centres, "scores": self._scores}

    def predict(self, vectors: Floats) -> Floats:
        return np.concatenate([self._predict(block) for block in blocks(vectors)])

    def _predict(self, vectors: Floats) -> Floats:
        distances = np.linalg.norm(vectors[:, None] - self._centres, axis=2)
        count = min(self._config.looked_at, len(self._centres))
        found = np.argsort(distances, axis=1, kind="stable")[:, :count]
        near = np.take_along_axis(distances, found, axis=1)
        weights = np.exp((near[:, :1] - near) / self._config.temperature)
        weighted = np.einsum("bk,bkm->bm", weights, self._scores[found])
        return np.asarray(weighted / weights.sum(axis=1, keepdims=True))


class ClustersRouter(FittedRouter):
    """The nearest clusters of training questions, and each expert's mean score in them."""

    Config = ClustersConfig
    predictor = Clusters
