"""API keys: what they open, what stays open, and that nobody ever sees one."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from orchestrator.server.auth import is_guarded

KEY, BATCH_KEY = "sk-one-1234", "sk-two-5678"
HI = [{"role": "user", "content": "stream 3"}]
OPEN = {
    "/",
    "/health",
    "/health/liveness",
    "/health/readiness",
    "/version",
    "/metrics",
    "/openapi.json",
    "/docs",
}


@pytest.fixture(scope="session")
async def locked(serve: Any) -> Any:
    """A gateway that wants a key."""
    keys = {"one": {"key": KEY}, "two": {"key": BATCH_KEY, "class": "batch"}}
    return await serve(server={"api_keys": keys})


@pytest.fixture
async def client(locked: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client with the key of batches."""
    async with openai.AsyncOpenAI(
        base_url=f"{locked.base_url}/v1", api_key=BATCH_KEY, max_retries=0
    ) as with_key:
        yield with_key


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/batch/v1/completions"),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/models"),
        ("GET", "/v1"),
        ("GET", "/v1/nothing"),
        ("POST", "/e/tiny/v1/completions"),
        ("GET", "/e/tiny/health"),
        ("GET", "/coterie/pool"),
    ],
)
async def test_without_a_key_there_is_no_answer(locked: Any, method: str, path: str) -> None:
    answer = await locked.http.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "invalid_api_key")
    assert error["type"] == "authentication_error"
    assert "coterie key create" in error["message"]
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Basic {KEY}",
        KEY,
        "Bearer",
        "",
        f"Bearer {KEY} {KEY}",
        b"Bearer \xff\xfe",
    ],
)
async def test_another_key_opens_nothing(locked: Any, authorization: str | bytes) -> None:
    answer = await locked.http.get("/v1/models", headers={"authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("This API key is not known.")
    assert KEY not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_key_opens(locked: Any, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {KEY}"}
    for path in ("/v1/models", "/coterie/pool", "/e/tiny/health"):
        assert (await locked.http.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", sorted(OPEN))
async def test_operators_need_no_key(locked: Any, path: str) -> None:
    assert (await locked.http.get(path)).status_code == 200


async def test_every_path_is_guarded_or_open(locked: Any) -> None:
    paths = (await locked.http.get("/openapi.json")).json()["paths"]
    assert {path for path in paths if not is_guarded(path)} == OPEN | {"/console/{path}"}


async def test_openais_client_gets_an_answer_with_its_key(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="pool/auto", messages=HI)
    assert answer.model_extra["coterie"]["class"] == "batch"


async def test_openais_client_raises_for_a_wrong_key(locked: Any) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{locked.base_url}/v1", api_key="sk-wrong", max_retries=0
    ) as wrong:
        with pytest.raises(openai.AuthenticationError) as caught:
            await wrong.chat.completions.create(model="tiny", messages=HI)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/completions", {}, "batch"),
        ("/e/tiny/v1/completions", {}, "batch"),
        ("/v1/completions", {"coterie": {"class": "interactive"}}, "interactive"),
    ],
)
async def test_a_keys_class_is_that_of_requests_that_choose_none(
    locked: Any, path: str, body: dict[str, Any], expected: str
) -> None:
    asked = {"model": "tiny", "prompt": "x", **body}
    answer = await locked.http.post(path, json=asked, headers=_bearer(BATCH_KEY))
    assert answer.headers["x-coterie-class"] == expected


async def test_the_path_goes_before_the_key(locked: Any) -> None:
    asked = {"model": "tiny", "prompt": "x"}
    answer = await locked.http.post("/batch/v1/completions", json=asked, headers=_bearer(KEY))
    assert answer.headers["x-coterie-class"] == "batch"


async def test_a_key_reaches_neither_the_log_nor_the_expert(
    locked: Any, upstream: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        body = {"model": "tiny", "messages": HI}
        await locked.http.post("/v1/chat/completions", json=body, headers=_bearer(KEY))
        await locked.http.get("/v1/models", headers=_bearer("sk-wrong"))
    assert KEY not in caplog.text
    assert KEY not in str(upstream.headers[-1])
    assert KEY not in repr(locked.context)


async def test_a_gateway_without_keys_asks_for_none(gateway: Any) -> None:
    answer = await gateway.http.get("/v1/models", headers=_bearer("anything"))
    assert answer.status_code == 200
