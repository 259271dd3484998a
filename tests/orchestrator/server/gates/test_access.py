"""One access line for each request, whether or not it came as far as the pipeline."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

KEYS = {"alice": {"key": "alice-key-0123456789", "class": "batch"}}
ALICE = {"authorization": "Bearer alice-key-0123456789"}


class Lines:
    """What the access log told, in order."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __call__(self) -> list[dict[str, Any]]:
        records = [r for r in self._caplog.records if r.name == "coterie.access"]
        assert all(r.getMessage() == "request" for r in records)
        return [r.__dict__["access"] for r in records]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    with caplog.at_level(logging.INFO, "coterie.access"):
        yield Lines(caplog)


async def _ended(lines: Lines, count: int = 1) -> list[dict[str, Any]]:
    """The lines, once that many are there: the client may have its answer before."""
    async with asyncio.timeout(5):
        while len(lines()) < count:
            await asyncio.sleep(0)
    return lines()


@pytest.fixture(scope="session")
async def guarded(serve: Any) -> Any:
    """A gateway with an API key, small bodies, and a server's other defaults."""
    return await serve(server={"api_keys": KEYS, "max_body_mb": 0.01})


def _counted(gateway: Any, status: int) -> bool:
    text = gateway.context.metrics.text().decode()
    labels = f'{{class="",expert="",model="",status="{status}"}}'
    return f"coterie_requests_total{labels} 1.0" in text


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/v1/chat/completions", b"{}", {}, 401),
        ("POST", "/coterie/routers/one/reload", b"", ALICE, 403),
        ("POST", "/v1/chat/completions", b"x" * 20_000, ALICE, 413),
        ("POST", "/v1/chat/completions", b"{", ALICE, 400),
        ("POST", "/v1/embeddings", b"{", ALICE, 400),
        ("POST", "/v1/chat/completions", b"x", ALICE | {"content-encoding": "lzma"}, 415),
        ("GET", "/v1/nothing", b"", ALICE, 404),
        ("DELETE", "/v1/models", b"", ALICE, 405),
    ],
)
async def test_a_refused_request_has_its_line_and_is_counted(
    serve: Any,
    lines: Lines,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    gateway = await serve(server={"api_keys": KEYS, "max_body_mb": 0.01})
    answer = await gateway.http.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    (line,) = await _ended(lines)
    assert line.pop("total_ms") >= 0
    assert line == {
        "id": answer.headers["x-request-id"],
        "path": path,
        "method": method,
        "status": status,
        "key": "alice" if headers else None,
    }
    assert _counted(gateway, status)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("POST", "/e/tiny/tokenize", {"prompt": "x"}),
        ("POST", "/coterie/feedback", {"request_id": "none", "score": 1}),
    ],
)
async def test_a_request_beside_the_pipeline_has_its_line(
    guarded: Any, lines: Lines, method: str, path: str, body: Any
) -> None:
    answer = await guarded.http.request(method, path, json=body, headers=ALICE)
    (line,) = await _ended(lines)
    assert (line["path"], line["status"], line["key"]) == (path, answer.status_code, "alice")
    assert line["id"] == answer.headers["x-request-id"]


async def test_a_success_beside_the_pipeline_is_not_counted_as_refused(serve: Any) -> None:
    gateway = await serve()
    await gateway.http.get("/v1/models")
    assert "coterie_requests_total{" not in gateway.context.metrics.text().decode()


async def test_a_refusal_for_too_many_requests_has_its_line(
    serve: Any, upstream: Any, lines: Lines
) -> None:
    gateway = await serve(server={"max_in_flight": 1})
    first = asyncio.create_task(gateway.chat("silent access-crowd"))
    await upstream.saw("began access-crowd")
    answer = await gateway.chat("x")
    (line,) = await _ended(lines)
    assert (line["status"], line["id"]) == (429, answer.headers["x-request-id"])
    assert _counted(gateway, 429)
    upstream.release("access-crowd")
    await first


async def test_a_traced_request_has_one_line_only(gateway: Any, lines: Lines) -> None:
    answer = await gateway.chat("x")
    await gateway.chat("x", "made-up")
    await gateway.http.get("/v1/models")  # When it has its line, the others have theirs.
    told = await _ended(lines, 3)
    assert [line.get("path") for line in told] == [None, None, "/v1/models"]
    assert told[0]["id"] == answer.headers["x-request-id"]


async def test_a_probe_is_told_at_level_debug(
    gateway: Any, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/health", "/health/readiness", "/metrics", "/console/app.js"):
        await gateway.http.get(path)
    await gateway.http.get("/version")
    assert [line["path"] for line in await _ended(lines)] == ["/version"]
    with caplog.at_level(logging.DEBUG, "coterie.access"):
        await gateway.http.get("/health")
        assert (await _ended(lines, 2))[1]["path"] == "/health"


async def test_a_fault_of_ours_beside_the_pipeline_is_told_as_500(
    serve: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serve()

    def fail() -> Any:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(gateway.pipeline.feedback, "weights", fail)
    answer = await gateway.http.get("/coterie/learned")
    (line,) = await _ended(lines)
    assert (line["status"], line["id"]) == (500, answer.headers["x-request-id"])
    assert _counted(gateway, 500)
    assert answer.json()["error"]["code"] == "internal_error"
    (told,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert line["id"] in told.getMessage()
    assert told.exc_info is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/tiny", None),
        ("GET", "/health", None),
        ("POST", "/v1/chat/completions", {"model": "tiny", "messages": []}),
        ("POST", "/e/tiny/tokenize", {"prompt": "x"}),
        ("POST", "/batch/v1/completions", {"model": "tiny", "prompt": "x"}),
    ],
)
async def test_a_slash_at_the_end_changes_nothing(
    gateway: Any, method: str, path: str, body: Any
) -> None:
    """A redirect would name this host and http, whatever a proxy in front of it is called."""
    told = []
    for end in ("", "/", "//"):
        answer = await gateway.http.request(method, path + end, json=body)
        told.append((answer.status_code, sorted(answer.json())))
    assert told == told[:1] * 3
    assert told[0][0] != 404


async def test_a_slash_at_the_end_does_not_help_without_a_key(guarded: Any) -> None:
    for path in ("/v1/models/", "/coterie/pool/", "/e/tiny/v1/models//"):
        assert (await guarded.http.get(path)).status_code == 401


async def _begin(
    gateway: Any,
    length: int,
    start: bytes = b"",
    path: str = "/v1/chat/completions",
    extra: str = "",
) -> Any:
    """A connection whose request announces a body of that length and sends its start only."""
    url = gateway.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{extra}content-length: {length}\r\n\r\n"
    writer.write(head.encode() + start)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("keys", [{}, {"cors": {"origins": ["*"]}}])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/coterie/feedback"])
async def test_a_client_that_leaves_amid_its_body_ends_quietly(
    serve: Any,
    lines: Lines,
    caplog: pytest.LogCaptureFixture,
    path: str,
    packed: bool,
    keys: dict[str, Any],
) -> None:
    gateway = await serve(server=keys)
    extra = "content-encoding: gzip\r\n" * packed
    _, writer = await _begin(gateway, 100, b'{"model":', path, extra)
    async with asyncio.timeout(5):
        while not gateway.context.metrics.in_flight:
            await asyncio.sleep(0)
    writer.close()
    (line,) = await _ended(lines)
    assert (line["status"], line["path"]) == (499, path)
    await gateway.settled()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert _counted(gateway, 499)


async def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(
    serve: Any, lines: Lines
) -> None:
    gateway = await serve(server={"max_body_mb": 0.01})
    reader, writer = await _begin(gateway, 20_000)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}}")
    writer.close()
    assert head.startswith(b"HTTP/1.1 413")
    assert json.loads(body)["error"]["code"] == "body_too_large"
    assert (await _ended(lines))[0]["status"] == 413
