"""A real collector (Rotel) in a process of its own, and what it passes on, which is kept here."""

import asyncio
import gzip
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import rotel
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_S = 30.0


class Spans:
    """The end of the way: spans that the collector has sent on, by OTLP over HTTP."""

    def __init__(self) -> None:
        self.got: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._news = asyncio.Condition()

    async def take(self, http: web.Request) -> web.Response:
        """One export."""
        raw = await http.read()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        told = ExportTraceServiceRequest.FromString(raw)
        async with self._news:
            self.headers.append(dict(http.headers))
            for part in told.resource_spans:
                self.resources.append(attributes_of(part.resource))
                self.got += [span for scope in part.scope_spans for span in scope.spans]
            self._news.notify_all()
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def until(self, enough: Callable[[list[Span]], bool]) -> list[Span]:
        """Wait until what has come is enough."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: enough(self.got))
        return self.got


def attributes_of(owner: Any) -> dict[str, Any]:
    """The attributes of a span or a resource as Python has them."""
    found = {}
    for one in owner.attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        if kind == "array_value":
            value = [getattr(item, item.WhichOneof("value")) for item in value.values]
        found[one.key] = value
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@asynccontextmanager
async def spans_store() -> AsyncIterator[tuple[Spans, int]]:
    """A server that keeps the spans it gets, and its port."""
    spans = Spans()
    application = web.Application()
    application.router.add_post("/v1/traces", spans.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield spans, runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def collector(folder: Path) -> AsyncIterator[tuple[Spans, int, int]]:
    """What the collector sends on, and its ports for gRPC and for HTTP."""
    grpc, http = free_ports(2)
    async with spans_store() as (spans, port):
        agent = Path(rotel.__file__).parent / "rotel-agent"
        settings = {
            "pid-file": str(folder / "pid"),
            "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
            "otlp-http-endpoint": f"127.0.0.1:{http}",
            "exporter": "otlp",
            "otlp-exporter-endpoint": f"http://127.0.0.1:{port}",
            "otlp-exporter-protocol": "http",
            "batch-timeout": "50ms",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = await asyncio.create_subprocess_exec(
            agent, "start", *words, stdout=sys.stderr, stderr=sys.stderr, env={}
        )
        try:
            await asyncio.gather(_listens(grpc), _listens(http))
            yield spans, grpc, http
        finally:
            process.terminate()
            await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
