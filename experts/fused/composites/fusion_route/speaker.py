"""Which expert spoke: what a client reads from the log-probabilities of FusionRoute's answers.

FusionRoute writes into the log-probability of the first role token which expert it listened to for
this very token (`role_logprobs.py` says how a client asks for it). Hand that number to `speaker`.
"""

from collections.abc import Sequence

from experts.fused.composites.role_logprobs import QUIETEST


def speaker(logprob: float, experts: Sequence[str]) -> str | None:
    """The expert that the log-probability of the first role token names.

    `experts` are the members in their order. None: the router spoke alone. Raises ValueError for
    a number that stands for no expert.
    """
    number = round(QUIETEST - logprob)
    if not 0 <= number <= len(experts):
        raise ValueError(f"{logprob} stands for none of {len(experts)} experts")
    return experts[number] if number < len(experts) else None
