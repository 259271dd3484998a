"""Whether the service's ports are free, or a Coterie has them already."""

from collections.abc import Iterator

from experts.errors import ServiceError
from orchestrator.cli.doctor.finding import Finding, fault, ok
from orchestrator.cli.remote import call
from orchestrator.config.server_section import ServerConfig
from orchestrator.server.wire.listening import take

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not listened on)
"""Where a listener on all addresses is asked."""
PATIENCE_S = 3.0
TITLE = "Coterie"
"""Of the description of its endpoints, by which it is told from other servers."""


def check_ports(server: ServerConfig) -> Iterator[Finding]:
    """Try to take each port, and let go of it at once."""
    yield check_port("server.port", server.host, server.port)
    if server.admin is not None:
        yield check_port("server.admin.port", server.admin.host, server.admin.port)


def check_port(key: str, host: str, port: int) -> Finding:
    """One of them."""
    about = f"port {port}"
    if port == 0:
        return ok(about, f"a free one is chosen ({key}: 0)")
    try:
        take(host, port, key).close()
    except ServiceError as error:
        if running := _coterie_at(host, port):
            return ok(about, f"Coterie {running} runs there")
        return fault(about, error.message, f"End what listens there, or choose another {key}.")
    return ok(about, f"free on {host}")


def _coterie_at(host: str, port: int) -> str:
    """The version of the Coterie that has the port; empty for anything else."""
    name = ANY.get(host, host)
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    try:
        told = call("GET", url, "/openapi.json", None, timeout_s=PATIENCE_S).get("info")
    except ServiceError:
        return ""
    if not isinstance(told, dict) or told.get("title") != TITLE:
        return ""
    return str(told.get("version"))
