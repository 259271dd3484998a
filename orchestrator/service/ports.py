"""The sockets of a service."""

import socket

from experts.errors import ServiceError
from orchestrator.config.model import Config
from orchestrator.server.wire.listening import take


def take_ports(config: Config, host: str | None, port: int | None) -> list[socket.socket]:
    """Everybody's, then that of administrators, if they have one. Raises ServiceError."""
    server = config.server
    host = server.host if host is None else host
    taken = [take(host, server.port if port is None else port, "--port or server.port")]
    if server.admin is not None:
        try:
            taken.append(take(server.admin.host, server.admin.port, "server.admin.port"))
        except ServiceError:
            taken[0].close()
            raise
    return taken
