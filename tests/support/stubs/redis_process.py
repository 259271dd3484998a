"""A redis-server of a test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

READY = "Ready to accept connections"


class RedisServer:
    """A redis-server process of our own, which keeps nothing on disk, or everything (`keeps`)."""

    def __init__(self, binary: str, folder: Path, *, keeps: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        kept = ("yes", "--appendfsync", "always") if keeps else ("no",)
        self._command = [
            *(binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
            *("--dir", str(folder), "--appendonly", *kept),
        ]
        self.start()

    def start(self) -> None:
        """Begin, or begin again with what was kept."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        words = ""
        while READY not in words:
            words = self._process.stdout.readline()
            assert words, "redis-server ended before it was ready"

    def silence(self) -> None:
        """It accepts connections, and does not answer any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def end(self) -> None:
        """As if by kill -9."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
