"""Tells systemd how far the service is (sd_notify), where it was started by it; else nothing."""

import os
import socket
from contextlib import suppress

READY, STOPPING = "READY=1", "STOPPING=1"
VARIABLE = "NOTIFY_SOCKET"


def notify(state: str) -> None:
    """Send a state to who waits for it; one that does not listen any more is no fault."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    # A leading @ stands for the zero byte of an abstract socket.
    name = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), name)
