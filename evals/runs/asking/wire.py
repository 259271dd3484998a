"""One call over HTTP: the whole response, and how long the expert took for it."""

import json
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import aiohttp
import httpx

from evals.client.ask import WAIT_HEADERS
from experts.errors import ExpertLost, ExpertRefused, ExpertTimeout
from experts.openai import CONNECT_TIMEOUT_S, ExpertClient
from experts.types import Request
from experts.upstream.answers import check_whole
from experts.upstream.refusals import refusal

BUSY = (429, 502, 503)
"""Statuses after which the same call may succeed."""


class Reply(NamedTuple):
    """What came back."""

    response: Mapping[str, Any]
    seconds: float
    """Of the expert; waiting for its turn and for loads is not in it."""


class Busy(ExpertRefused):
    """The service has no room for the call now; `after_s` is its own word on when to try again."""

    after_s: float = 0.0


class Wire:
    """Asks a service's experts, or any OpenAI-compatible server's models."""

    def __init__(
        self,
        base_url: str,
        client: ExpertClient,
        *,
        api_key: str | None = None,
        extra: Mapping[str, Any] | None = None,
        timeout_s: float,
    ) -> None:
        """`base_url` ends before /v1; `extra` are fields of every body."""
        self._base_url = base_url
        self._client = client
        self._extra = extra or {}
        self._timeout_s = timeout_s
        self._headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    async def __call__(self, model: str, request: Request) -> Reply:
        """The response. Raises ExpertLost, ExpertTimeout, BadOutput, ExpertRefused; Busy of it."""
        body = {**request.body, "model": model, **self._extra}
        outgoing = httpx.Request(
            "POST",
            f"{self._base_url}/v1/{request.operation}",
            content=json.dumps(body).encode(),
            headers=self._headers,
            extensions={"timeout": {"connect": CONNECT_TIMEOUT_S, "read": self._timeout_s}},
        )
        started = time.perf_counter()
        try:
            response = await self._client.exchange(outgoing)
            async with aclosing(response):
                content = await response.aread()
        except httpx.ReadTimeout as error:
            words = f"{model} did not answer within {self._timeout_s:g} s."
            raise ExpertTimeout(words, expert=model, hint="Raise --timeout.") from error
        except (httpx.TransportError, httpx.StreamError, aiohttp.ClientError) as error:
            words = f"The connection for {model} broke ({type(error).__name__})."
            raise ExpertLost(words, expert=model) from error
        if response.status_code >= 400:
            raise _refused(model, response, content)
        check_whole(model, response.headers.get("content-type", ""), content)
        waited_ms = sum(_number(response.headers.get(name)) for name in WAIT_HEADERS)
        seconds = time.perf_counter() - started - waited_ms / 1000
        return Reply(json.loads(content), max(0.0, seconds))


def _refused(model: str, response: httpx.Response, content: bytes) -> ExpertRefused:
    try:
        tree = json.loads(content)
    except ValueError:  # A proxy's page rather than an API's error: it is its own message.
        tree = " ".join(content.decode(errors="replace").split())[:300]
    said = tree.get("error", tree) if isinstance(tree, dict) else tree
    status = response.status_code
    error = refusal(model, status, said)
    if status not in BUSY:
        return error
    busy = Busy(error.message, expert=model, status=status, body=error.body)
    busy.after_s = _number(response.headers.get("retry-after"))
    return busy


def _number(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:  # A date, which nothing of ours sends.
        return 0.0
