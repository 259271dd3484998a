"""The gateway over a raw socket: what clients and proxies send that no SDK does."""

import asyncio
import json
from typing import Any

import pytest

CHAT = "/v1/chat/completions"
H2C = (
    "Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
)
WEBSOCKET = (
    "Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def _body(stream: bool) -> bytes:
    messages = [{"role": "user", "content": "stream 3"}]
    return json.dumps({"model": "tiny", "messages": messages, "stream": stream}).encode()


async def _ask(gateway: Any, line: str, headers: str, body: bytes = b"") -> tuple[str, bytes]:
    """The head, in lower case, and the body of an answer after which the connection ends."""
    url = gateway.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"{line}\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    told, _, content = answer.partition(b"\r\n\r\n")
    return told.decode().lower(), content


@pytest.mark.parametrize("stream", [False, True])
async def test_http_1_0_gets_no_chunks(gateway: Any, stream: bool) -> None:
    head, content = await _ask(gateway, f"POST {CHAT} HTTP/1.0", "", _body(stream))
    assert head.partition("\r\n")[0].endswith("200 ok")
    assert "transfer-encoding" not in head
    assert "connection: close" in head
    if stream:
        assert content.startswith(b"data: ")
        assert content.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(content)["choices"][0]["message"]["content"] == "wörd"


@pytest.mark.parametrize("extra", ["", "Expect: 100-continue\r\n"])
@pytest.mark.parametrize("offer", [H2C, H2C.lower(), WEBSOCKET])
async def test_an_offer_to_upgrade_loses_no_body(gateway: Any, offer: str, extra: str) -> None:
    head, content = await _ask(gateway, f"POST {CHAT} HTTP/1.1", offer + extra, _body(False))
    answer = content.rpartition(b"\r\n\r\n")[2] if extra else content
    assert "200 ok" in (head + content.decode().lower())
    assert json.loads(answer)["choices"][0]["message"]["content"] == "wörd"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("path", "status"), [(CHAT, "405"), ("/v1/realtime", "404"), ("/v1/models", "200")]
)
async def test_an_offer_of_a_websocket_is_answered_at_once_as_plain_http(
    gateway: Any, path: str, status: str, version: str
) -> None:
    head, content = await _ask(gateway, f"GET {path} HTTP/{version}", WEBSOCKET)
    assert f" {status} " in head.partition("\r\n")[0]
    assert ("error" in json.loads(content)) == (status != "200")
    assert "sec-websocket" not in head
