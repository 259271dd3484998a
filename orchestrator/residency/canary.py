"""A prompt with a known answer: an engine that has been loaded again must still give it."""

from collections.abc import Mapping

import httpx

PROMPT = "The canary in this mine sings"


class Canary:
    """Asks engines for a few greedy tokens."""

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
        try:
            answer = await self._client.post(
                f"{url}/v1/completions", json=body, headers=headers, timeout=self._timeout_s
            )
            text: str = answer.raise_for_status().json()["choices"][0]["text"]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise RuntimeError(f"it did not answer its first prompt ({error!r})") from error
        return text
