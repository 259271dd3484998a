"""A server on loopback with all endpoints of an engine, which answers every request alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from experts.openai_format import EVENT_STREAM, JSON, format_answer
from experts.types import Operation, Request, Usage

TEXT = "The answer is 42."


async def _answer(http: web.Request) -> web.Response:
    body = await http.json()
    operation: Operation = "chat/completions" if "messages" in body else "completions"
    request = Request("r-1", operation, body)
    said = format_answer(request, body["model"], TEXT, Usage(3, 5))
    kind = EVENT_STREAM if request.stream else JSON
    return web.Response(body=said, headers={"content-type": kind})


async def _tokenize(http: web.Request) -> web.Response:
    return web.json_response({"count": 2, "max_model_len": 64, "tokens": [3, 4]})


async def _detokenize(http: web.Request) -> web.Response:
    return web.json_response({"prompt": TEXT})


async def _about(http: web.Request) -> web.Response:
    return web.json_response({"version": "1"})


@asynccontextmanager
async def scripted_engine() -> AsyncIterator[str]:
    """Its URL while it runs; ends with /v1."""
    application = web.Application(client_max_size=1 << 26)
    for path in ("/v1/chat/completions", "/v1/completions"):
        application.router.add_post(path, _answer)
    application.router.add_post("/tokenize", _tokenize)
    application.router.add_post("/detokenize", _detokenize)
    application.router.add_get("/{about:version|tokenizer_info}", _about)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}/v1".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()
