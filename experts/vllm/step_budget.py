"""How many tokens a step of a CPU engine may take, so that it ends in time for the other engines.

All engines of a slot take turns on the same cores. Reading a long prompt in one step would hold up
everybody else's tokens for as long as it takes: seconds, on a CPU. vLLM cuts prompts into chunks
that fit its budget of tokens for a step; this sets the budget by what steps were measured to cost.
"""

NEWEST_SHARE = 0.3
"""Weight of a step that was quicker than those before; a slower one counts at once."""
FEWEST = 16
"""Tokens of prompts that a step reads, however slow it is; also what a measurement needs."""
FIRST = 64
"""Tokens of the first steps, before one was measured."""


class StepBudget:
    """The budget of one engine, from the steps that it has made."""

    def __init__(self, longest_s: float, most: int, longest_prompt: int = 0) -> None:
        """A step should take `longest_s` seconds, and never more than `most` tokens.

        Where prompts cannot be cut, every step has room for the `longest_prompt`, which would
        otherwise wait for ever.
        """
        self._longest_s = longest_s
        self._most = most
        self._fewest = max(FEWEST, longest_prompt)
        self._token_s: float | None = None

    def tokens(self, running: int) -> int:
        """What the next step may take; each of the `running` requests has its token in any case."""
        wanted = FIRST if self._token_s is None else int(self._longest_s / self._token_s)
        return min(max(wanted, running + self._fewest), self._most)

    def measured(self, tokens: int, seconds: float) -> None:
        """A step took so long. Those of a few tokens are mostly overhead, and tell nothing."""
        if tokens < FEWEST:
            return
        token_s = max(seconds / tokens, 1e-9)
        if self._token_s is None or token_s > self._token_s:
            self._token_s = token_s
        else:
            self._token_s += NEWEST_SHARE * (token_s - self._token_s)
