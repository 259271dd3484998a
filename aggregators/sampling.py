"""The keys and the requests of aggregators that ask each expert several times."""

from dataclasses import replace

from pydantic import Field

from aggregators.base import AggregatorConfig, Panel
from aggregators.gather import Call
from experts.types import Request

MOST_SAMPLES = 64


class SamplingConfig(AggregatorConfig):
    """Keys that such aggregators share."""

    samples: int = Field(
        1, ge=1, le=MOST_SAMPLES, description="How often each expert of the panel is asked."
    )
    temperature: float = Field(
        0.7,
        gt=0,
        le=2,
        description="Sampling temperature where there are several samples and the request sets"
        " none above 0.",
    )

    def calls(self, request: Request, panel: Panel) -> list[Call]:
        """All calls, the first one of every expert before anybody's second.

        Where one expert is asked more than once, each time has a seed of its own.
        """
        order = [expert for _ in range(self.samples) for expert in panel.experts]
        if self.samples == 1:
            return [Call(expert, request) for expert in order]
        return [
            Call(expert, sampled(request, number, self.temperature))
            for number, expert in enumerate(order)
        ]


def sampled(request: Request, number: int, temperature: float) -> Request:
    """One of several samples: with a seed of its own, and where the client has set no temperature
    above 0, with this one.
    """
    body = dict(request.body)
    body["temperature"] = body.get("temperature") or temperature
    body["seed"] = (body.get("seed") or 0) + number
    return replace(request, body=body)
