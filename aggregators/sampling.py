"""Sampling: the keys and the calls of aggregators that ask each expert several times."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from aggregators.base import AggregatorConfig, Panel
from aggregators.gather import Call
from experts.types import Request

MOST_SAMPLES = 64
TEMPERATURE = 0.7
UNSEEDED = -1
_HALF = 2**63


class SamplingConfig(AggregatorConfig):
    """The keys that sampling aggregators share."""

    samples: int = Field(
        1, ge=1, le=MOST_SAMPLES, description="Number of answers from each expert of the panel."
    )
    temperature: float = Field(
        TEMPERATURE,
        gt=0,
        le=2,
        description="Temperature of several samples of one expert, unless the request sets one"
        " above 0.",
    )

    def most_calls(self, panel: Panel) -> Counter[str]:
        """How often each expert is asked in `calls`."""
        return Counter({expert: n * self.samples for expert, n in Counter(panel.experts).items()})

    def calls(self, request: Request, panel: Panel) -> list[Call]:
        """All calls; every expert's first one comes before any expert's second one.

        With more than one sample, each call has its own seed.
        """
        order = [expert for _ in range(self.samples) for expert in panel.experts]
        if self.samples > 1:
            return [
                Call(expert, sampled(request, number, self.temperature))
                for number, expert in enumerate(order)
            ]
        return one_each(request, order, self.temperature)


def one_each(
    request: Request, experts: Sequence[str], temperature: float = TEMPERATURE
) -> list[Call]:
    """A call for each of `experts`.

    Every further call to an expert that occurs more than once has a seed of its own, and a
    temperature: the same request would get the same answer.
    """
    before: Counter[str] = Counter()
    calls = []
    for expert in experts:
        number = before[expert]
        calls.append(Call(expert, sampled(request, number, temperature) if number else request))
        before[expert] += 1
    return calls


def sampled(request: Request, number: int, temperature: float) -> Request:
    """The request for one of several samples, with its own seed.

    Where the client has set no temperature above 0, this one is used.
    """
    body = dict(request.body)
    body["temperature"] = body.get("temperature") or temperature
    body["seed"] = derived_seed(body.get("seed") or 0, number)
    return replace(request, body=body)


def derived_seed(seed: int, number: int) -> int:
    """The seed of one of several samples: another for each, the first the client's own. Pure.

    It stays within the 64 bits that engines take, and is never -1 for another seed, which is
    vLLM's word for none. With that one, every sample is drawn anew.
    """
    if seed == UNSEEDED:
        return UNSEEDED
    if seed >= 0:
        return (seed + number) % _HALF
    return -2 - (-2 - seed + number) % (_HALF - 1)
