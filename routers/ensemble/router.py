"""The mean of a kernel regression and of clusters of several sizes, whose errors differ.

A kernel is smooth and clusters have edges, and k-means depends on its start; the mean of them
explains more of the differences between experts than either (ensembles: T. Dietterich, "Ensemble
methods in machine learning", MCS 2000).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from routers.clusters import Clusters, ClustersConfig
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, TrainingSet
from routers.kernel import Kernel, KernelConfig

KERNEL, CLUSTERS = "kernel.", "clusters"
"""Before the names of the members' arrays; behind that of clusters comes a number."""

Size = Annotated[int, Field(ge=1, le=4096)]


class EnsembleConfig(FittedConfig):
    """The keys of an ensemble of a kernel and clusters."""

    type: Literal["ensemble"]
    width: float = Field(
        0.3,
        gt=0,
        description="Width of the kernel exp((cosine - 1) / width): how far similarity reaches.",
    )
    noise: float = Field(
        10.0,
        gt=0,
        description="Noise of one answer in the kernel: larger values shrink its predictions"
        " towards the overall means.",
    )
    clusters: tuple[Size, ...] = Field(
        (32, 64, 128),
        min_length=1,
        description="Numbers of clusters, each at most one for each different question; k-means"
        " runs once for each of them.",
    )
    looked_at: int = Field(
        3, ge=1, description="Number of nearest clusters, of each k-means, that count."
    )
    temperature: float = Field(
        0.1,
        gt=0,
        description="The lower, the more the nearest cluster counts; the higher, the more alike.",
    )
    prior_weight: float = Field(
        4.0,
        ge=0,
        description="Weight of an expert's overall mean in each cluster, as a number of answers.",
    )
    kernel_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the kernel in the mean; the clusters have the rest in equal parts.",
    )
    seed: int = Field(
        0, ge=0, description="Seed of the first k-means; each further one has the next."
    )

    @property
    def kernel(self) -> KernelConfig:
        """The keys of the kernel router in it."""
        return KernelConfig(
            type="kernel", outcomes=self.outcomes, artifact=self.artifact,
            width=self.width, noise=self.noise,
        )  # fmt: skip

    def of_clusters(self, number: int) -> ClustersConfig:
        """The keys of one of the cluster routers in it, counted from 0."""
        return ClustersConfig(
            type="clusters", outcomes=self.outcomes, artifact=self.artifact,
            clusters=self.clusters[number], looked_at=self.looked_at, seed=self.seed + number,
            temperature=self.temperature, prior_weight=self.prior_weight,
        )  # fmt: skip


class Ensemble(Predictor):
    """A score is `share` of the kernel's, and the rest of the mean of the clusters'."""

    def __init__(self, kernel: Kernel, clusters: tuple[Clusters, ...], share: float) -> None:
        self.means = kernel.means
        self._kernel = kernel
        self._clusters = clusters
        self._share = share

    @classmethod
    def fit(cls, training_set: TrainingSet, config: EnsembleConfig) -> Self:
        numbers = range(len(config.clusters))
        return cls(
            Kernel.fit(training_set, config.kernel),
            tuple(Clusters.fit(training_set, config.of_clusters(number)) for number in numbers),
            config.kernel_share,
        )

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: EnsembleConfig
    ) -> Self:
        if f"{CLUSTERS}{len(config.clusters)}.centres" in arrays:
            raise ValueError("it holds more k-means than `clusters` has numbers")
        kernel = Kernel.load(_under(KERNEL, arrays), training_set, config.kernel)
        clusters = tuple(
            Clusters.load(
                _under(f"{CLUSTERS}{number}.", arrays), training_set, config.of_clusters(number)
            )
            for number in range(len(config.clusters))
        )
        return cls(kernel, clusters, config.kernel_share)

    def arrays(self) -> dict[str, NDArray[Any]]:
        members: dict[str, Predictor] = {KERNEL: self._kernel}
        members |= {f"{CLUSTERS}{n}.": one for n, one in enumerate(self._clusters)}
        return {
            prefix + name: array
            for prefix, member in members.items()
            for name, array in member.arrays().items()
        }

    def predict(self, vectors: Floats) -> Floats:
        clusters = np.mean([one.predict(vectors) for one in self._clusters], axis=0)
        kernel = self._kernel.predict(vectors)
        return np.asarray(self._share * kernel + (1 - self._share) * clusters)


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays whose names start with `prefix`, without it."""
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}


class EnsembleRouter(FittedRouter):
    """Routes by the mean of kernel ridge regression and of clusters of several sizes."""

    Config = EnsembleConfig
    predictor = Ensemble
