"""A prompt with a known answer: an engine that has been loaded again must still give it."""

import math
import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

PROMPT = "The canary in this mine sings"
LEAST_COSINE = 0.999
"""Of two embeddings of the prompt: an engine may round differently, but not point elsewhere."""

Vector = tuple[float, ...]
Song = str | Vector
"""An answer to the prompt: text, or an embedding."""


class Canary:
    """Asks engines for a few greedy tokens, or for an embedding."""

    def __init__(self, client: httpx.AsyncClient, tokens: int, timeout_s: float) -> None:
        self._client = client
        self._tokens = tokens
        self._timeout_s = timeout_s

    @property
    def wanted(self) -> bool:
        """Whether engines are checked at all."""
        return self._tokens > 0

    async def ask(self, url: str, engine: str, headers: Mapping[str, str]) -> str:
        """The answer of the engine under `url`. Raises RuntimeError when it gives none."""
        body = {
            "model": engine,
            "prompt": PROMPT,
            "max_tokens": self._tokens,
            "temperature": 0,
            "ignore_eos": True,
        }
        with _answered():
            told = await self._post(f"{url}/v1/completions", body, headers)
            text: str = told["choices"][0]["text"]
        return text

    async def embed(self, url: str, engine: str, headers: Mapping[str, str]) -> Vector:
        """The same of an engine that gives embeddings."""
        with _answered():
            told = await self._post(
                f"{url}/v1/embeddings", {"model": engine, "input": PROMPT}, headers
            )
            return tuple(map(float, told["data"][0]["embedding"]))

    async def _post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        answer = await self._client.post(url, json=body, headers=headers, timeout=self._timeout_s)
        return answer.raise_for_status().json()


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise RuntimeError(f"it did not answer its first prompt ({error!r})") from error


def alike(first: Song, again: Song) -> bool:
    """Whether two answers are of the same engine: the same text, or vectors of one direction."""
    if isinstance(first, str) or isinstance(again, str):
        return first == again
    if len(first) != len(again):
        return False
    least = LEAST_COSINE * math.hypot(*first) * math.hypot(*again)
    return float(sum(map(operator.mul, first, again))) >= least
