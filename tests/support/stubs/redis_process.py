"""A redis-server of a test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

READY = "Ready to accept connections"


class RedisServer:
    """A redis-server process of our own, which keeps nothing on disk, or everything (`keeps`)."""

    def __init__(
        self,
        binary: str,
        folder: Path,
        *,
        keeps: bool = False,
        options: Sequence[str] = (),
        user: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """`user` stands in the URL, as USER:PASSWORD; with a certificate and its key, it has TLS.

        `options` come last, and so before ours.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.folder = folder
        at = f"{user}@{self.host}" if user else self.host
        self.url = f"redis://{at}/0"
        ports = ["--port", str(self.port)]
        if certificate is not None:
            self.url = f"rediss://{at}/0?ssl_ca_certs={certificate[0]}"
            cert, key = map(str, certificate)
            files = ("--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
            ports = ["--port", "0", "--tls-port", str(self.port), *files]
        kept = ("yes", "--appendfsync", "always") if keeps else ("no",)
        self._command = [
            *(binary, *ports, "--bind", "127.0.0.1", "--save", ""),
            *("--dir", str(folder), "--appendonly", *kept, *options),
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

    def tell(self, *words: str | int) -> Any:
        """What it answers to a command."""
        with redis.from_url(self.url) as client:
            return client.execute_command(*words)

    def tell_with(self, user: str, *words: str | int) -> Any:
        """The same of another USER:PASSWORD."""
        with redis.from_url(f"redis://{user}@{self.host}/0") as client:
            return client.execute_command(*words)

    def says(self, section: str, field: str) -> Any:
        """A field of what it tells of itself."""
        with redis.from_url(self.url) as client:
            return client.info(section)[field]

    def silence(self) -> None:
        """It accepts connections, and does not answer any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def end(self) -> None:
        """As if by kill -9."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = folder / "cert.pem", folder / "key.pem"
    made[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    made[1].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return made


def replicated(
    start: Callable[..., RedisServer], user: str = ""
) -> tuple[RedisServer, RedisServer, str]:
    """A primary, its replica that has all it has, and a URL that names both."""
    password = user.removeprefix(":")
    options = ("--requirepass", password, "--masterauth", password) if user else ()
    options = (*options, "--repl-diskless-sync-delay", "0")
    primary = start(options=options, user=user)
    options = (*options, "--replicaof", "127.0.0.1", str(primary.port))
    replica = start(options=options, user=user)
    while replica.says("replication", "master_link_status") != "up":
        pass
    return primary, replica, f"redis://{user}{'@' * bool(user)}{primary.host},{replica.host}/0"
