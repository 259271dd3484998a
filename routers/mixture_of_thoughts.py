"""The query router of a Mixture of Thoughts (arXiv 2509.21164, section 3.1), at serving time.

It chooses the primary expert, which speaks, and the peers that it attends to. All parts of the
method: `aggregators/mixture_of_thoughts/__init__.py`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from experts.errors import ConfigError
from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig
from routers.reading import read, told

Floats = NDArray[np.float32]
SHARE_DIGITS = 6


class ThoughtsRouter:
    """Sends every request to one fused expert, in a role that the question decides.

    An MLP over the sentence embedding scores the members. The best of those that can speak is the
    primary, and the best of the others are its peers, K in all. `coterie fuse mixture-of-thoughts`
    writes the MLP beside the fused weights. The constructor reads it, and raises ConfigError where
    it is missing, was trained on another encoder, or does not fit together.
    """

    class Config(RouterConfig):
        """The keys of a Mixture of Thoughts router."""

        type: Literal["mixture_of_thoughts"]
        expert: str = Field(description="The fused expert that answers everything.")
        artifact: Path = Field(
            description="The file `query_router.npz` in the fused expert's folder."
        )

        def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
            """The expert must be in the pool."""
            if self.expert in experts:
                return ()
            known = ", ".join(experts)
            return (f"expert: no expert is called `{self.expert}` (known: {known}).",)

        def most_named(self, experts: Sequence[str]) -> int:
            """Only the one."""
            return 1

    def __init__(
        self,
        name: str,
        config: Config,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        self._expert = config.expert
        self._encoder = encoder()
        try:
            with np.load(config.artifact, allow_pickle=False) as stored:
                self._read(dict(stored))
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"routers.{name}.artifact: {config.artifact} holds no query router"
                f" ({' '.join(str(error).split())}).",
                hint="`coterie fuse mixture-of-thoughts` writes one.",
            ) from error
        if self._encoded_by != self._encoder.name:
            raise ConfigError(
                f"routers.{name}.artifact: {config.artifact} was trained on the embeddings of"
                f" {self._encoded_by}, not of {self._encoder.name}."
            )

    def _read(self, stored: dict[str, NDArray[Any]]) -> None:
        self._members = [str(member) for member in stored["members"]]
        self._speaks = np.isin(stored["members"], stored["speakers"])
        self._active = int(stored["active"])
        self._encoded_by = str(stored["encoder"])
        layers = sum(key.startswith("weight_") for key in stored)
        self._layers = [(stored[f"weight_{i}"], stored[f"bias_{i}"]) for i in range(layers)]
        count = len(self._members)
        if not 1 <= self._active <= count or not layers or not self._speaks.any():
            raise ValueError("its parts do not fit together")
        if len(self._layers[-1][1]) != count + 1:
            raise ValueError("it was written by another version of Coterie")

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request; blocks for some milliseconds of CPU per request."""
        found = read(requests, self._encoder)
        return told(found, [self._decide(self.scores(vector)) for vector in found.vectors])

    def scores(self, vector: Floats) -> Floats:
        """[M + 1] the score of each member for one embedding [dimension], then that of no peers."""
        hidden: Floats = vector
        for number, (weight, bias) in enumerate(self._layers):
            hidden = weight @ hidden + bias
            if number < len(self._layers) - 1:
                hidden = np.maximum(hidden, 0)
        return hidden

    def _decide(self, found: Floats) -> Decision:
        scores, alone = found[:-1], bool(found[-1] > 0)
        first = int(np.argmax(np.where(self._speaks, scores, -np.inf)))
        others = [index for index in np.argsort(-scores, kind="stable") if index != first]
        shares = np.exp(scores - scores.max())
        shares = np.round(shares / shares.sum(), SHARE_DIGITS)
        heard = [] if alone else others[: self._active - 1]
        primary, *peers = (self._members[i] for i in [first, *heard])
        hears = f" and attends to {', '.join(peers)}" if peers else " alone"
        return Decision(
            router=self.name,
            scores=((self._expert, 1.0),),
            reason=f"In {self._expert}, {primary} speaks{hears}.",
            evidence={
                "members": dict(zip(self._members, map(float, shares), strict=True)),
                "primary": primary,
                "active": [primary, *peers],
            },
            role="+".join((primary, *sorted(peers))),
        )
