"""Endpoints that carry tokens are found by their path, with the errors that they would have had."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from experts.errors import CoterieError, RequestError
from orchestrator.server.direct import DirectGate, DirectRoute

router = APIRouter(route_class=DirectRoute)


@router.post("/fixed")
async def fixed(http: HttpRequest) -> Response:
    return PlainTextResponse(f"{http.scope['route'].path_format} {(await http.body()).decode()}")


@router.post("/of/{name}")
async def of(http: HttpRequest, name: str) -> Response:
    return PlainTextResponse(name)


@router.post("/wrong")
async def wrong(http: HttpRequest) -> Response:
    raise RequestError("No.", param="x")


async def _refusal(http: HttpRequest, error: Exception) -> Response:
    return PlainTextResponse(f"{http.url.path}: {error}", 400)


@pytest.fixture
async def client() -> Any:
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(DirectGate, routes=app.routes, refusal=_refusal)
    app.add_exception_handler(CoterieError, _refusal)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/fixed", 200, "/fixed hi"),
        ("POST", "/of/me", 200, "me"),
        ("POST", "/wrong", 400, "/wrong: No."),
        ("GET", "/fixed", 405, '{"detail":"Method Not Allowed"}'),
        ("POST", "/other", 404, '{"detail":"Not Found"}'),
    ],
)
async def test_a_path_leads_to_its_endpoint(
    client: httpx.AsyncClient, method: str, path: str, status: int, text: str
) -> None:
    answer = await client.request(method, path, content=b"hi")
    assert (answer.status_code, answer.text) == (status, text)


async def test_nothing_behind_the_gate_is_asked_for_a_path_without_parameters() -> None:
    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("behind")(scope, receive, send)

    gate = DirectGate(behind, router.routes, _refusal)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://x") as asks:
        texts = [(await asks.post(path)).text for path in ("/fixed", "/of/me")]
    assert texts == ["/fixed ", "behind"]
