"""Log-probabilities that carry a message: those of role tokens, which are never generated.

A composite writes into them which expert spoke (`fusion_route/speaker.py`), or to whom the primary
listened (`mixture_of_thoughts/listening.py`). A client asks for them with vLLM's own request
fields, in streams as well:

    {"logprobs": true, "logprob_token_ids": [IDs of the role tokens]}

They are so low that no sampler can draw them: the probability is exactly zero in float32 at every
temperature below 80.
"""

QUIETEST = -9000.0
"""The highest log-probability that carries a message; vLLM's server cuts everything at -9999."""
