"""Connections to servers: kept, shared, bounded, and given up."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from experts.wire import dialing
from experts.wire import names as wire_names
from experts.wire.client import WireClient
from experts.wire.names import Names, Origin
from experts.wire.response import Response

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LASTS = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbe"


class Server:
    """Answers every request alike, and counts its connections."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self.answer = answer
        self.connections = 0
        self.open = 0
        self.asked = asyncio.Event()
        self.ended = asyncio.Event()
        self.origin = Origin(False, "127.0.0.1", 0)
        self.hang_up: Callable[[], None] = lambda: None
        self.finish: Callable[[bytes], None] = lambda _: None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.hang_up, self.finish = writer.close, writer.write
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked.set()
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.open -= 1
            self.ended.set()
            writer.close()


@asynccontextmanager
async def _served(
    answer: bytes = ANSWER, context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    made = Server(answer)
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        made.origin = Origin(context is not None, "127.0.0.1", port)
        yield made


@pytest.fixture
async def client() -> AsyncIterator[WireClient]:
    made = WireClient(4, 30.0, 5.0)
    yield made
    made.close()


async def _body(response: Response) -> bytes:
    read = b""
    while piece := await response.more():
        read += piece
    return read


async def _ask(client: WireClient, server: Server) -> bytes:
    return await _body(await client.send(server.origin, REQUEST, 5.0))


async def test_a_connection_is_used_again(client: WireClient) -> None:
    async with _served() as server:
        for _ in range(3):
            assert await _ask(client, server) == b"ok"
        assert server.connections == 1


async def test_one_that_the_server_has_closed_is_not_used_again(client: WireClient) -> None:
    async with _served() as server:
        assert await _ask(client, server) == b"ok"
        server.hang_up()
        await server.ended.wait()
        await asyncio.sleep(0.01)  # Its end is on the way.
        assert await _ask(client, server) == b"ok"
        assert server.connections == 2


async def test_an_answer_that_is_not_wanted_ends_its_connection(client: WireClient) -> None:
    async with _served(LASTS) as server:
        response = await client.send(server.origin, REQUEST, 5.0)
        await response.aclose()
        await server.ended.wait()


async def test_whoever_gives_up_waiting_for_the_head_ends_the_connection(
    client: WireClient,
) -> None:
    async with _served(b"") as server:
        waiting = asyncio.create_task(client.send(server.origin, REQUEST, 5.0))
        await server.asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.ended.wait()


async def test_further_requests_wait_for_their_turn() -> None:
    client = WireClient(1, 30.0, 5.0)
    async with _served() as first, _served(LASTS) as lasting:
        response = await client.send(lasting.origin, REQUEST, 5.0)
        second = asyncio.create_task(_ask(client, first))
        for _ in range(10):
            await asyncio.sleep(0)
        assert first.connections == 0
        await response.aclose()
        assert await second == b"ok"
        client.close()


async def test_a_kept_connection_makes_room_for_another_server() -> None:
    client = WireClient(1, 30.0, 5.0)
    async with _served() as first, _served() as second:
        assert await _ask(client, first) == b"ok"
        assert await _ask(client, second) == b"ok"
        await first.ended.wait()
        assert second.open == 1
        client.close()


async def test_what_is_not_used_is_closed() -> None:
    client = WireClient(4, 0.01, 5.0)
    async with _served() as server:
        assert await _ask(client, server) == b"ok"
        await server.ended.wait()
        client.close()


async def test_closing_ends_what_is_under_way(client: WireClient) -> None:
    async with _served(LASTS) as server:
        response = await client.send(server.origin, REQUEST, 5.0)
        client.close()
        with pytest.raises(httpx.ReadError):
            await _body(response)
        await server.ended.wait()


async def test_nobody_there_is_told(client: WireClient, unused_tcp_port: int) -> None:
    with pytest.raises(httpx.ConnectError):
        await client.send(Origin(False, "127.0.0.1", unused_tcp_port), REQUEST, 5.0)


async def test_every_address_of_a_name_is_tried(
    client: WireClient, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async with _served() as server:
        loop = asyncio.get_running_loop()
        dead = await loop.getaddrinfo("127.0.0.1", unused_tcp_port, type=socket.SOCK_STREAM)
        alive = await loop.getaddrinfo(*server.origin[1:], type=socket.SOCK_STREAM)

        async def found(*_: object) -> object:
            return [*dead, *alive]

        monkeypatch.setattr(Names, "addresses", found)
        assert await _ask(client, server) == b"ok"

        async def gone(*_: object) -> object:
            return [*dead, *dead]

        monkeypatch.setattr(Names, "addresses", gone)
        client.close()
        with pytest.raises(httpx.ConnectError):
            await WireClient(1, 1.0, 5.0).send(server.origin, REQUEST, 5.0)


async def test_a_name_is_looked_up_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def look(host: str, port: int) -> object:
        looked.append(host)
        if host == "gone.test":
            raise OSError("no such name")
        return await real(host, port)

    async def looked_up(origin: Origin) -> object:
        return await look(*origin[1:])

    monkeypatch.setattr(wire_names, "_look_up", looked_up)
    names, here = Names(), Origin(False, "127.0.0.1", 80)
    first, second = await asyncio.gather(names.addresses(here), names.addresses(here))
    assert first == second
    assert looked == ["127.0.0.1"]
    gone = Origin(False, "gone.test", 80)
    for _ in range(2):  # What has failed is tried again.
        with pytest.raises(OSError, match="no such name"):
            await names.addresses(gone)
    assert looked == ["127.0.0.1", "gone.test", "gone.test"]


async def test_a_connection_that_is_free_first_is_taken(
    client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _served() as server:
        first = await client.send(server.origin, REQUEST, 5.0)
        slow = asyncio.Event()
        real = Names.addresses

        async def later(names: Names, origin: Origin) -> object:
            await slow.wait()
            return await real(names, origin)

        monkeypatch.setattr(Names, "addresses", later)
        server.answer = LASTS
        lasting = await client.send(server.origin, REQUEST, 5.0)  # Takes the one that is kept.
        server.answer = ANSWER
        waiting = asyncio.create_task(_ask(client, server))
        given_up = asyncio.create_task(_ask(client, server))
        for _ in range(10):
            await asyncio.sleep(0)
        given_up.cancel()
        server.finish(b"ing ove")
        assert await _body(lasting) == b"being ove"
        assert await waiting == b"ok"
        assert server.connections == 1
        slow.set()
        while server.connections < 3:
            await asyncio.sleep(0.001)
        assert await _body(first) == b"ok"
        assert await _ask(client, server) == b"ok"


async def test_a_server_behind_tls_must_be_known(
    client: WireClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with _served(context=context) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await _ask(client, server)
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(dialing, "_context", lambda: trusting)
        assert await _ask(client, server) == b"ok"
        assert await _ask(client, server) == b"ok"
        assert server.connections == 1


def _certificate(folder: Path) -> Path:
    """One for 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    own = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + own)
    return file


async def test_a_server_that_is_out_of_reach_is_waited_for_no_more(client: WireClient) -> None:
    async with _served(LASTS) as silent, _served() as other:
        answer = await client.send(silent.origin, REQUEST, 60)
        kept = await client.send(other.origin, REQUEST, 60)
        client.break_off(silent.origin)
        with pytest.raises(httpx.ReadError, match="out of reach"):
            await _body(answer)
        assert await _body(kept) == b"ok"
