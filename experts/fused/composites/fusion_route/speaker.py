"""Which expert spoke: what a client reads out of the log-probabilities of a fused answer.

Role tokens are never generated, so the log-probability of one of them is free to carry a message:
FusionRoute writes into that of the first role token which expert it listened to for this very
token. A client asks for it with vLLM's own request fields, in streams as well:

    {"logprobs": true, "logprob_token_ids": [ID of the first role token]}

and hands what it gets to `speaker`. The number is far below what any sampler can hear: its
probability is exactly zero in float32 at every temperature below 80.
"""

from collections.abc import Sequence

QUIETEST = -9000.0
"""The log-probability that names the first expert; vLLM's server cuts everything at -9999."""
MOST_SPEAKERS = 900
"""Experts that the numbers down to there can name."""


def speaker(logprob: float, experts: Sequence[str]) -> str | None:
    """The expert that the log-probability of the first role token names, in members' order.

    None: the router spoke alone. Raises ValueError for a number that names nobody.
    """
    number = round(QUIETEST - logprob)
    if not 0 <= number <= len(experts):
        raise ValueError(f"{logprob} names none of {len(experts)} experts")
    return experts[number] if number < len(experts) else None
