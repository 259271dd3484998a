"""Connections to whichever of several Redis servers is the primary, as after a fail-over.

redis-py finds a primary by Sentinel only; a list of servers needs none, and finds what Sentinel, an
operator or a script has promoted.
"""

from collections.abc import Iterator
from typing import Any

from redis.asyncio import Connection, SSLConnection
from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError

Address = tuple[str, int]


class Hosts:
    """The servers of a store, the one that was the primary last first."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        """In the order in which they are asked at first."""
        self._addresses = addresses
        self.tls: Any = None
        """What connections with TLS share: to read all the system's CAs takes long."""

    def __iter__(self) -> Iterator[Address]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)

    def found(self, primary: Address) -> None:
        """Ask this one first from now on: an old primary that comes back is no primary of ours."""
        self._addresses = tuple(sorted(self._addresses, key=lambda one: one != primary))


class PrimaryConnection(Connection):
    """A connection that, each time it is made, goes to the primary."""

    def __init__(self, *, hosts: Hosts, **keys: Any) -> None:
        super().__init__(**keys)
        self._hosts = hosts

    async def connect(self) -> None:
        """Raises ConnectionError where none of the servers is a primary that answers."""
        if self.is_connected:
            return
        failures: list[str] = []
        for host, port in self._hosts:
            self.host, self.port = host, port
            try:
                await super().connect()  # type: ignore[no-untyped-call]
                if len(self._hosts) == 1 or await self._is_primary():
                    self._hosts.found((host, port))
                    return
                failures.append(f"{host}:{port} is a replica")
                await self.disconnect()
            except (ConnectionError, TimeoutError) as error:
                if len(self._hosts) == 1:
                    raise
                failures.append(f"{host}:{port}: {error}")
        raise ConnectionError(f"none of the servers is a primary: {'; '.join(failures)}")

    async def read_response(self, *args: Any, **keys: Any) -> Any:
        """Raises what Redis answers; the connection to what is no primary any more is closed."""
        try:
            return await super().read_response(*args, **keys)
        except ReadOnlyError:
            await self.disconnect()
            raise

    async def _is_primary(self) -> bool:
        # HELLO is allowed to everybody, which ROLE and INFO are not.
        await self.send_command("HELLO")
        answer = await self.read_response()
        pairs = answer if isinstance(answer, dict) else dict(zip(*[iter(answer)] * 2, strict=True))
        role = pairs.get(b"role", pairs.get("role"))
        return role in (b"master", "master")


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """The same with TLS."""

    def __init__(self, *, hosts: Hosts, **keys: Any) -> None:
        super().__init__(hosts=hosts, **keys)
        hosts.tls = hosts.tls or self.ssl_context
        self.ssl_context = hosts.tls
