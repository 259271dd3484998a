"""How long a context other people's servers have: configured, or asked of them."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping

from experts.engine import Engine, HasEndpoints
from experts.errors import ExpertError
from experts.spec import ExpertSpecBase, OpenAISpec

PATIENCE_S = 2.0
"""For all servers together: who is slow is known the next time."""
AGAIN_S = 60.0
"""A server that did not tell is not asked again before that."""
_FIELDS = ("max_model_len", "context_length", "max_context_length", "context_window")
"""What vLLM, OpenRouter, Mistral and LM Studio, and Groq call it."""


class Lengths:
    """Of the experts that none of our slots runs."""

    def __init__(
        self,
        specs: Mapping[str, ExpertSpecBase],
        engines: Mapping[str, Engine],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        remote = {name: spec for name, spec in specs.items() if isinstance(spec, OpenAISpec)}
        self._known = {n: s.max_model_len for n, s in remote.items() if s.max_model_len is not None}
        self._specs = remote
        self._engines = engines
        self._clock = clock
        self._asked_at: dict[str, float] = {}

    async def known(self) -> Mapping[str, int]:
        """Expert -> tokens; servers that have not told are asked, all at once."""
        now = self._clock()
        unknown = [name for name in self._specs if name not in self._known]
        due = [name for name in unknown if now - self._asked_at.get(name, -AGAIN_S) >= AGAIN_S]
        if due:
            self._asked_at |= dict.fromkeys(due, now)
            asking = [asyncio.create_task(self._ask(name)) for name in due]
            _, late = await asyncio.wait(asking, timeout=PATIENCE_S)
            for task in late:
                task.cancel()
        return self._known

    async def _ask(self, expert: str) -> None:
        engine, spec = self._engines[expert], self._specs[expert]
        assert isinstance(engine, HasEndpoints), "a server has a list of its models"
        path = "v1/models" if spec.base_url.endswith("/v1") else "models"
        try:
            listed = json.loads((await engine.call("GET", path, None)).content)
        except (ExpertError, ValueError, RecursionError):
            return
        if (length := _length_in(listed, spec.model)) is not None:
            self._known[expert] = length


def _length_in(listed: object, model: str) -> int | None:
    cards = listed.get("data") if isinstance(listed, dict) else None
    for card in cards if isinstance(cards, list) else ():
        if isinstance(card, dict) and card.get("id") == model:
            told = (card.get(field) for field in _FIELDS)
            return next((one for one in told if type(one) is int and one > 0), None)
    return None
