"""Sockets that notice when the machine at their other end has gone without a word."""

import socket

from experts.upstream.connection import GONE_S, IDLE_S, PROBE_S, watched_socket


def test_silence_of_the_machine_is_noticed_and_that_of_a_server_is_not() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    with listener, watched_socket((*_KIND, "", address)) as one:
        one.connect(address)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        told = [
            one.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        # Counted from the last sign of life; the machine's own system answers the questions.
        assert told == [IDLE_S, PROBE_S, (GONE_S - IDLE_S) / PROBE_S]
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * GONE_S


_KIND = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
