"""How many clients a listener has at once, how long each may let it wait, and what the log says."""

import asyncio
import logging
import resource
from dataclasses import dataclass, field

LOGGER = logging.getLogger("coterie.server")
REPORT_S = 60.0
"""Seconds between two lines of the log about the same."""
MOST_FILES = 1 << 20
"""Open files beyond which no more are asked for, though the system may allow a billion."""
OWN_FILES = 256
"""Open files that the service itself needs, beside its clients and its calls to experts."""


class Count:
    """Something that clients can bring about as often as they like, told in one line a minute."""

    def __init__(self, words: str) -> None:
        """`words` have a place for the number."""
        self._words = words
        self._untold = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self) -> None:
        """It has happened once more."""
        self._untold += 1
        if self._timer is None:
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        if self._untold:
            LOGGER.warning(self._words, self._untold)
            self._untold = 0
            self._timer = asyncio.get_running_loop().call_later(REPORT_S, self._tell)


def _refused() -> Count:
    return Count(
        "connections refused: %d; there are as many as server.max_client_connections and the"
        " limit of open files allow"
    )


def _cut_off() -> Count:
    return Count(
        "connections cut off: %d; their clients began a request and did not go on within"
        " server.client_timeout_s"
    )


@dataclass(frozen=True, slots=True)
class ClientBounds:
    """The bounds of one listener."""

    timeout_s: float = 30.0
    """For the head of a request, and for each pause within its body."""
    connections: int = 4096
    """Clients at once; further ones get 503."""
    too_slow: bytes = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"
    """The whole answer to a request that does not come to its end."""
    too_many: bytes = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n"
    """The whole answer to a client for whom there is no connection."""
    refused: Count = field(default_factory=_refused)
    cut_off: Count = field(default_factory=_cut_off)
    leaving: set[object] = field(default_factory=set)
    """Refused clients that still read why."""


def connections_within(wanted: int) -> int:
    """So many clients' connections as are wanted and as the limit of open files has room for.

    That limit is raised as far as this process may. The other half is for calls to experts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > MOST_FILES:
        hard = MOST_FILES
    if soft != resource.RLIM_INFINITY and soft < hard:
        top = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, top))
        soft = hard
    room = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(1, min(wanted, (room - OWN_FILES) // 2))
