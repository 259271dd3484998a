"""Opening a connection: the addresses of a name in turn, and TLS where it is wanted."""

import asyncio
import ssl
from asyncio import staggered
from collections.abc import Callable, Sequence
from functools import cache, partial
from socket import socket
from typing import cast

import httpx
from aiohttp import AddrInfoType

from experts.upstream.connection import watched_socket
from experts.wire.connection import Connection
from experts.wire.names import Names, Origin

NEXT_ADDRESS_S = 0.25
"""How long one address is tried alone (RFC 8305, 5)."""


async def dial(
    origin: Origin, names: Names, protocol: Callable[[], Connection], timeout_s: float
) -> Connection:
    """A new connection. Raises httpx.ConnectError and httpx.ConnectTimeout."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            made = await _socket(await names.addresses(origin))
            try:
                context = _context() if origin.tls else None
                name = origin.host if origin.tls else None
                _, connection = await loop.create_connection(
                    protocol, sock=made, ssl=context, server_hostname=name
                )
            except BaseException:
                made.close()
                raise
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection within {timeout_s:g} s") from error
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error)) from error
    return connection


async def _socket(addresses: Sequence[AddrInfoType]) -> socket:
    loop = asyncio.get_running_loop()

    async def connected(number: int) -> socket:
        made = watched_socket(addresses[number])
        try:
            made.setblocking(False)
            await loop.sock_connect(made, addresses[number][-1])
        except BaseException:
            made.close()
            raise
        return made

    if len(addresses) == 1:
        return await connected(0)
    tries = [partial(connected, number) for number in range(len(addresses))]
    found, _, errors = await staggered.staggered_race(tries, NEXT_ADDRESS_S)
    if found is None:
        raise next(error for error in errors if error is not None)
    return cast(socket, found)


@cache
def _context() -> ssl.SSLContext:
    """Made once: it reads every certificate of the system."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
