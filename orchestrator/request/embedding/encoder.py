"""An expert that embeds as the encoder of routers, which ask from threads of their own."""

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from experts.errors import BadOutput
from experts.types import EMBEDDINGS, Request
from experts.upstream.answers import read_body
from experts.upstream.embeddings import check_embeddings
from orchestrator.config.model import Config
from orchestrator.residency.pool import ExpertPool
from routers.base import Encoder
from routers.encoders.cached import CachedEncoder

AT_ONCE = 64
"""Texts of one call: other requests of the expert need not wait for a whole outcome table."""
NOTHING = " "
"""What is embedded in place of an empty text, which many servers refuse."""


class ExpertEncoder(CachedEncoder):
    """Asks the pool, so that the expert is loaded where it is not.

    A text that is longer than an expert of ours can read is embedded by its beginning.
    """

    def __init__(
        self, expert: str, name: str, pool: ExpertPool, loop: asyncio.AbstractEventLoop, cut: bool
    ) -> None:
        """`name` is what the vectors are known by; `loop` is the pool's, `cut` where it may cut."""
        super().__init__()
        self.name = name
        self._expert = expert
        self._pool = pool
        self._loop = loop
        self._fields = {"truncate_prompt_tokens": -1} if cut else {}

    @cached_property
    def dimension(self) -> int:
        """Numbers of a vector; the expert is asked once."""
        return len(self._compute([NOTHING])[0])

    def _compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Not to be called on the loop, which has to work meanwhile. Raises ExpertError."""
        parts = [
            asyncio.run_coroutine_threadsafe(
                self._ask(texts[start : start + AT_ONCE]), self._loop
            ).result()
            for start in range(0, len(texts), AT_ONCE)
        ]
        return np.concatenate(parts)

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        body = {"input": [_sendable(text) for text in texts], **self._fields}
        request = Request(f"embed-{uuid.uuid4().hex}", EMBEDDINGS, body)
        with await self._pool.lease(self._expert) as lease:
            answer = await lease.engine.open(request, self._expert)
            try:
                content = await read_body(self._expert, answer.pieces)
            finally:
                await answer.aclose()
        kind = (answer.content_type, content, len(texts), answer.secrets)
        check_embeddings(self._expert, *kind)
        data = json.loads(content)["data"]
        if not isinstance(data[0]["embedding"], list):
            raise BadOutput(f"Expert {self._expert} packs its embeddings.", expert=self._expert)
        ordered = sorted(data, key=lambda one: one.get("index", 0))
        vectors = np.array([one["embedding"] for one in ordered], dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8") or NOTHING


def embedder_of(config: Config, pool: ExpertPool) -> Callable[[str], Encoder]:
    """What makes the encoder that is an expert of the pool; routers that name the same share it.

    To be called on the pool's loop.
    """
    loop = asyncio.get_running_loop()

    @cache
    def make(expert: str) -> Encoder:
        cut = config.experts[expert].hosted
        return ExpertEncoder(expert, config.embedders[expert], pool, loop, cut)

    return make
