"""How far two computations of the same model agree, where rounding may decide between near ties."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FORBIDDEN = -9000.0
"""Log-probabilities below it are of tokens that cannot be sampled, or carry a message."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What counts as agreeing."""

    distance: float
    """Largest total variation distance of two next-token distributions."""
    nats: float
    """Largest difference in log-probability between two tokens that are a near tie."""
    share: float
    """Smallest share of prompts that must agree."""


EXACT = Tolerance(distance=1e-3, nats=1e-2, share=1.0)
"""For float32 on the CPU."""
TENSOR_CORES = Tolerance(distance=2e-2, nats=0.1, share=0.9)
"""For float32 on a GPU, whose tensor cores may round factors to ten bits; thresholds may flip."""
HALF = Tolerance(distance=0.1, nats=0.5, share=0.8)
"""For bfloat16 and float16."""


def distance(found: Sequence[float], expected: Sequence[float]) -> float:
    """Total variation distance of two distributions given as log-probabilities or logits."""
    pairs = zip(_probabilities(found), _probabilities(expected), strict=True)
    return sum(abs(left - right) for left, right in pairs) / 2


def _probabilities(numbers: Sequence[float]) -> list[float]:
    if any(map(math.isnan, numbers)):
        raise ValueError("a log-probability is missing or not a number")
    top = max(numbers)
    weights = [math.exp(number - top) if number > FORBIDDEN else 0.0 for number in numbers]
    total = sum(weights)
    return [weight / total for weight in weights]


def regret(log_probs: Sequence[float], token: int) -> float:
    """How much less likely a token is than the best one, in nats."""
    return max(log_probs) - log_probs[token]


def first_difference(left: Sequence[int], right: Sequence[int]) -> int | None:
    """Where two answers part."""
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        if one != other:
            return place
    return None


class Tally:
    """Counts prompts that agree, and remembers the worst difference."""

    def __init__(self, bound: float, share: float) -> None:
        self._bound = bound
        self._share = share
        self._found: list[float] = []

    def add(self, difference: float) -> None:
        """One prompt's difference; one that is not a number never agrees."""
        self._found.append(math.inf if math.isnan(difference) else difference)

    @property
    def agreeing(self) -> float:
        """The share of prompts within the bound."""
        return sum(found <= self._bound for found in self._found) / len(self._found)

    @property
    def passed(self) -> bool:
        """Whether enough prompts agree."""
        return bool(self._found) and self.agreeing >= self._share

    def figures(self) -> dict[str, float | int]:
        """As plain numbers."""
        return {
            "prompts": len(self._found),
            "agreeing": round(self.agreeing, 3),
            "median": median(self._found),
            "worst": max(self._found),
            "bound": self._bound,
        }
