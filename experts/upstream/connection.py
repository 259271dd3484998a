"""Connections that notice when the machine at their other end has gone without a word."""

import socket

from aiohttp import AddrInfoType

IDLE_S, PROBE_S, GONE_S = 10, 5, 25
"""Silence until the other end is asked whether it lives; between two questions; given up after."""
_WATCHED = {
    "TCP_KEEPIDLE": IDLE_S,
    "TCP_KEEPINTVL": PROBE_S,
    "TCP_KEEPCNT": (GONE_S - IDLE_S) // PROBE_S,
    "TCP_USER_TIMEOUT": 1000 * GONE_S,
}


def watched_socket(address: AddrInfoType) -> socket.socket:
    """A TCP socket that breaks `GONE_S` after its other end has stopped to confirm anything.

    A server that computes for minutes confirms all the same; one without power never would.
    """
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WATCHED.items():
        if hasattr(socket, name):  # Not every system has all of them.
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
