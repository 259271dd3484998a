"""Any OpenAI-compatible URL as an engine: our own slots, and other people's servers."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from experts.engine import USAGE_WANTED, Answer, Reply
from experts.errors import (
    BadOutput,
    CoterieError,
    ExpertError,
    ExpertLost,
    ExpertRefused,
    ExpertTimeout,
)
from experts.types import Request, encoded
from experts.upstream.answers import EVENT_STREAM, JSON, read_body
from experts.upstream.connection import watched_socket
from experts.upstream.refusals import CLIENTS, Asked, refused_by
from experts.wire.client import WireClient
from experts.wire.request import RequestHead
from experts.wire.response import Pieces, Response

LOGGER = logging.getLogger("coterie.experts")

ASKED_MODEL_HEADER = "x-coterie-model"
"""Tells a slot which model name the client used, so that its answer carries that name."""

SLOT_WAIT_HEADER = "x-coterie-slot-wait-ms"
"""A slot's word on how long other engines of its process held an answer up."""

CONNECT_TIMEOUT_S = 10.0
COUNT_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 30.0
MOST_WAIT_MS = 3.6e6

_UNTOLD = ("application/octet-stream", "text/plain")
"""Types of servers that do not tell one: the body must be what was asked for."""
_NOT_FOUND = 404
_UNKNOWN_FIELD = (400, 422)
_USAGE_FIELDS = (b"stream_options", b"include_usage")
_CONTEXT = re.compile(r"maximum context length is (\d+) tokens.* at least \d+ input tokens")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an expert answers: `base_url` ends before `/chat/completions`."""

    expert: str
    base_url: str
    model: str
    api_key: str | None = None
    timeout_s: float = 600.0
    traced: bool = False
    """Whether it is told which trace a call belongs to."""

    def headers(self) -> dict[str, str]:
        """What every call carries."""
        # Bytes are passed on as they come, so they must not come compressed.
        headers = {"content-type": JSON, "accept-encoding": "identity"}
        if self.api_key:
            headers["authorization"] = f"Bearer {self.api_key}"
        return headers


class ExpertClient(httpx.AsyncClient):
    """The HTTP client for experts: httpx over aiohttp, which costs a third per token.

    Calls that generate go by `wire`, which costs a third again.
    """

    def __init__(self, max_connections: int = 1024) -> None:
        """At most so many calls are under way that generate, and as many others."""
        self._transport_of_calls = AiohttpTransport(client=lambda: _session(max_connections))
        self.wire = WireClient(max_connections, KEEP_ALIVE_S, CONNECT_TIMEOUT_S)
        super().__init__(transport=self._transport_of_calls, timeout=None, trust_env=False)

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send as it is: an expert's API has no redirects, cookies or challenges to handle.

        That halves what a request costs. The response must be closed.
        """
        return await self._transport_of_calls.handle_async_request(request)

    def break_off(self, url: str) -> None:
        """Want no answer any more of a server that is out of reach: whoever waits learns it now."""
        self.wire.break_off(RequestHead(url, {}).origin)

    async def aclose(self) -> None:
        """Drop every connection."""
        self.wire.close()
        await super().aclose()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.wire.close()
        await super().__aexit__(kind, error, trace)


def _session(max_connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=max_connections, keepalive_timeout=KEEP_ALIVE_S, socket_factory=watched_socket
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class OpenAIEngine:
    """One expert behind an OpenAI-compatible endpoint."""

    def __init__(self, endpoint: Endpoint, client: ExpertClient) -> None:
        self.name = endpoint.expert
        self.endpoint = endpoint
        self._client = client
        self._asked = Asked(self.name, (endpoint.api_key,) if endpoint.api_key else ())
        self._foreign = _foreign_errors(self.name)
        self._counts_usage = True
        self._heads: dict[str, RequestHead] = {}

    async def open(self, request: Request, asked_model: str) -> Answer:
        """The expert's answer to `request`, its status known to be 2xx.

        A server that does not know the field that asks for the usage is asked without, from then
        on. Raises ExpertLost, ExpertTimeout, BadOutput, ExpertMisconfigured, or ExpertRefused with
        the expert's own error.
        """
        with self._foreign:
            wants_usage = self._wants_usage(request)
            response = await self._send(request, asked_model)
            if wants_usage and response.status in _UNKNOWN_FIELD:
                content = await self._content(response)
                if not any(field in content for field in _USAGE_FIELDS):
                    raise await self._refused(response, content, request)
                LOGGER.info("expert %s counts no tokens in streams: asked without", self.name)
                self._counts_usage = False
                response = await self._send(request, asked_model)
            if not 200 <= response.status < 300:
                raise await self._refused(response, await self._content(response), request)
            packed = response.headers.get("content-encoding", "identity")
            if packed != "identity":
                await response.aclose()
                raise BadOutput(
                    f"Expert {self.name} sent an answer packed as {packed[:20]}, unasked.",
                    expert=self.name,
                )
        kind = response.headers.get("content-type", "")
        if not kind or kind.startswith(_UNTOLD):
            kind = EVENT_STREAM if request.stream else JSON
        waited_ms = milliseconds(response.headers.get(SLOT_WAIT_HEADER))
        secrets = self._asked.secrets
        pieces = Pieces(response, self._foreign.told)
        return Answer(kind, pieces, response.aclose, waited_ms, secrets)

    def _wants_usage(self, request: Request) -> bool:
        return self._counts_usage and request.body.get("stream_options") == USAGE_WANTED

    def _send(self, request: Request, asked_model: str) -> Awaitable[Response]:
        body = {**request.body, "model": self.endpoint.model}
        if not self._counts_usage and body.get("stream_options") == USAGE_WANTED:
            del body["stream_options"]
        headers = {"x-request-id": request.id, ASKED_MODEL_HEADER: asked_model}
        if self.endpoint.traced:
            headers |= request.trace_headers
        head = self._heads.get(request.operation)
        if head is None:
            url = f"{self.endpoint.base_url}/{request.operation}"
            self._heads[request.operation] = head = RequestHead(url, self.endpoint.headers())
        outgoing = head.with_body(headers, encoded(body))
        return self._client.wire.send(head.origin, outgoing, self.endpoint.timeout_s)

    async def _content(self, response: Response) -> bytes:
        """The body as it came, and the end of the response."""
        async with aclosing(response):
            return await read_body(self.name, Pieces(response, self._foreign.told))

    async def _refused(self, response: Response, content: bytes, request: Request) -> ExpertError:
        error = refused_by(self._asked, response.status, content, response.headers)
        if isinstance(error, ExpertRefused):
            return await self._with_length(error, request)
        return error

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        """A call beside `/v1`, such as `tokenize`; a body gets the model's own name.

        A refusal is a reply where it is about the call (400, 404, 413, 422). Raises ExpertError for
        others, as `open` does.
        """
        content = json.dumps({**body, "model": self.endpoint.model}) if body is not None else None
        with self._foreign:
            answer = await self._client.request(
                method,
                f"{self.endpoint.base_url.removesuffix('/v1')}/{path}",
                content=content,
                headers=self.endpoint.headers(),
                timeout=self.endpoint.timeout_s,
            )
        kind = answer.headers.get("content-type", JSON)
        if answer.is_success or answer.status_code == _NOT_FOUND:
            return Reply(answer.status_code, kind, answer.content)
        headers = {k: v for k, v in answer.headers.items() if k != "content-encoding"}
        error = refused_by(self._asked, answer.status_code, answer.content, headers)
        if isinstance(error, ExpertRefused) and error.status in CLIENTS:
            told = {"error": {**error.body, "message": error.message}}
            return Reply(error.status, JSON, json.dumps(told).encode())
        raise error

    async def _with_length(self, refusal: ExpertRefused, request: Request) -> ExpertRefused:
        """VLLM stops counting just past its limit; its tokenizer tells the prompt's real length."""
        limit = _CONTEXT.search(refusal.message)
        if limit is None:
            return refusal
        fields = ("messages", "prompt", "tools", "chat_template", "chat_template_kwargs")
        body = {k: v for k, v in request.body.items() if k in fields}
        try:
            async with asyncio.timeout(COUNT_TIMEOUT_S):
                count = json.loads((await self.call("POST", "tokenize", body)).content)["count"]
        except (ExpertError, TimeoutError, ValueError, KeyError, TypeError):
            return refusal  # It has no tokenizer to ask: its own words must do.
        if not isinstance(count, int) or count <= int(limit.group(1)):
            return refusal
        message = (
            f"This model's maximum context length is {limit.group(1)} tokens."
            f" However, your prompt has {count} tokens. Please shorten it."
        )
        return ExpertRefused(
            message, expert=self.name, status=refusal.status, body={**refusal.body, "param": None}
        )


class _foreign_errors:
    """Turns every error that is not ours into one of the expert's."""

    def __init__(self, expert: str) -> None:
        self.expert = expert

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self.told(error)

    def told(self, error: Exception) -> None:
        """Raise what it is of the expert's; nothing for an error of ours."""
        if isinstance(error, CoterieError):
            return
        # The aiohttp transport calls a refused connection a timeout.
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        if isinstance(error, httpx.TimeoutException) and not connecting:
            raise ExpertTimeout(
                f"Expert {self.expert} did not answer in time.", expert=self.expert
            ) from error
        if isinstance(error, _BROKEN):
            raise ExpertLost(
                f"The connection to expert {self.expert} broke ({type(error).__name__}).",
                expert=self.expert,
            ) from error
        LOGGER.error("expert %s failed", self.expert, exc_info=error)
        raise BadOutput(
            f"Expert {self.expert} cannot be read ({type(error).__name__}).", expert=self.expert
        ) from error


_BROKEN = (httpx.TransportError, httpx.StreamError, aiohttp.ClientError, OSError)


def milliseconds(header: str | None) -> float:
    """What a header says; 0 for none, and for nonsense of somebody else's server."""
    try:
        value = float(header or 0)
    except ValueError:
        return 0.0
    return value if 0 <= value < MOST_WAIT_MS else 0.0
