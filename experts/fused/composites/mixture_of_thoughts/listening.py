"""Who was listened to: what a client reads from the log-probabilities of a Mixture of Thoughts.

The log-probabilities of the first role tokens (`role_logprobs.py` says how a client asks for them)
say, for this very token, which share of the primary's attention each member got, interaction layer
after interaction layer, members in their order.
"""

from collections.abc import Sequence

from experts.fused.composites.role_logprobs import QUIETEST

LOUDNESS = 900.0
"""How far a share of 1 moves a log-probability; vLLM's server cuts everything at -9999."""


def listened(logprobs: Sequence[float], members: int) -> list[list[float]]:
    """[interactions][members] shares of attention, in 0..1, of whole interaction layers.

    `logprobs` are those of the role tokens, in their order.
    """
    shares = [round((QUIETEST - logprob) / LOUDNESS, 4) for logprob in logprobs]
    whole = len(shares) - len(shares) % members
    return [shares[start : start + members] for start in range(0, whole, members)]
