"""OpenAI's chat completions and completions over a torch engine, compatible with vLLM's."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from experts.errors import CoterieError, ExpertLost, RequestError
from experts.fused.torch_engine.answer import Answer
from experts.fused.torch_engine.engine import TorchEngine
from experts.fused.torch_engine.request_body import Body, ChatBody, CompletionBody, read_body
from experts.fused.torch_engine.shapes import ChatShape, Shape, TextShape
from experts.openai import ASKED_MODEL_HEADER


def application(name: str, engine: TorchEngine) -> Starlette:
    """The routes of one expert.

    `name` is its own; answers carry the model name that the client asked for.
    """
    operations = _Operations(name, engine)

    async def models(_: Request) -> Response:
        one = {"id": name, "object": "model", "max_model_len": engine.model.context}
        return JSONResponse({"object": "list", "data": [one]})

    async def health(_: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", operations.chat, methods=["POST"]),
            Route("/v1/completions", operations.complete, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ]
    )


class _Operations:
    def __init__(self, name: str, engine: TorchEngine) -> None:
        self._name = name
        self._engine = engine

    async def chat(self, request: Request) -> Response:
        return await self._post(request, ChatBody, ChatShape())

    async def complete(self, request: Request) -> Response:
        return await self._post(request, CompletionBody, TextShape())

    async def _post(self, request: Request, kind: type[Body], shape: Shape) -> Response:
        asked = request.headers.get(ASKED_MODEL_HEADER, self._name)
        try:
            body = read_body(await request.body(), kind)
            begun = [self._engine.begin(ask) for ask in body.asks()]
        except RequestError as error:
            return _refusal(error)
        answer = Answer(self._engine, body, begun, shape, asked)
        if body.stream:
            return StreamingResponse(answer.events(), media_type="text/event-stream")
        try:
            return JSONResponse(await _unless_gone(request, answer.whole()))
        except ExpertLost as error:
            return _refusal(error, 503)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """The result, or None where the client disconnects first: the work is cancelled then."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


def _refusal(error: CoterieError, status: int = 400) -> Response:
    kind = "BadRequestError" if status == 400 else "ServiceUnavailableError"
    body = {"message": str(error), "type": kind, "param": getattr(error, "param", None)}
    return JSONResponse({"error": {**body, "code": status}}, status_code=status)
