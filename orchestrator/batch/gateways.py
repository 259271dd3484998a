"""The names of gateways, by which those that have died on this machine are known at once."""

import os
import socket
import uuid


def new_gateway() -> str:
    """A name for the gateway in this process."""
    return f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"


def is_gone(gateway: str) -> bool:
    """Whether it ran on this machine, and its process is no more; false where nobody can tell."""
    host, _, rest = gateway.partition(" ")
    pid = rest.partition(" ")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
