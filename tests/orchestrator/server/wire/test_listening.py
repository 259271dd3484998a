"""A port is taken at once, or the error says why not and what sets it."""

from __future__ import annotations

import socket

import pytest

from experts.errors import ServiceError
from orchestrator.server.wire.listening import Listener, take


def listening(host: str, port: int) -> Listener:
    return Listener(take(host, port, "server.admin.port"))


def test_a_port_on_which_somebody_listens_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServiceError, match="Address already in use"),
    ):
        listening("127.0.0.1", taken.getsockname()[1]).close()


def test_a_port_that_another_service_has_bound_is_refused_before_it_listens() -> None:
    with (
        listening("127.0.0.1", 0) as first,
        pytest.raises(ServiceError, match="Address already in use"),
    ):
        listening("127.0.0.1", int(first.url.rpartition(":")[2])).close()


@pytest.mark.parametrize(
    "host", ["no such host", "256.0.0.1", "ü" * 70], ids=["words", "number", "long"]
)
def test_a_host_that_does_not_exist_is_refused(host: str) -> None:
    with pytest.raises(ServiceError, match=r"Cannot listen on .*server\.admin\.port"):
        listening(host, 0)
