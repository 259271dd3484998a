"""Whether a configuration lets in whom it should not: keys, TLS, tokens. Pure."""

from collections.abc import Iterator, Mapping

from orchestrator.cli.doctor.finding import Finding, ok, warning
from orchestrator.config.model import Config
from orchestrator.store.urls import addresses_of, redacted, secrets_of, split_url

LOCAL = ("127.", "localhost", "::1")
SHORTEST_KEY = 20
"""Characters of an API key: as many as 100 random bits take."""


def check_exposure(config: Config, stored_keys: int) -> Iterator[Finding]:
    """`stored_keys`: how many keys the store has that are not revoked."""
    yield from _listener(config, stored_keys)
    yield from _keys({n: key.key for n, key in config.server.api_keys.items() if key.key})
    yield from _store(config.store)


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host.startswith(LOCAL)


def _listener(config: Config, stored_keys: int) -> Iterator[Finding]:
    server = config.server
    if is_local(server.host):
        yield ok("exposure", f"only this machine reaches {server.host}")
        return
    if not server.api_keys and not stored_keys:
        advice = "Add server.api_keys, or `coterie key create NAME --admin`."
        yield warning("keys", f"none, and {server.host} is reached by others", advice)
    else:
        yield ok("keys", f"{len(server.api_keys)} in the file, {stored_keys} in the store")
    advice = "Put a proxy with TLS in front (deploy/compose/Caddyfile is one)."
    yield warning("tls", f"{server.host} speaks plain HTTP", advice)
    if server.admin is None and "*" in server.cors.origins:
        advice = "Name the pages in server.cors.origins, or give administrators server.admin."
        yield warning("cors", "any web page may call what changes the service", advice)


def _keys(keys: Mapping[str, str]) -> Iterator[Finding]:
    short = sorted(name for name, key in keys.items() if len(key) < SHORTEST_KEY)
    if short:
        advice = f"`openssl rand -hex 32` makes one; {SHORTEST_KEY} characters are the least."
        yield warning("keys", f"easy to guess, since short: {', '.join(short)}", advice)


def _store(url: str) -> Iterator[Finding]:
    if not url.startswith(("redis://", "rediss://")):
        return
    if all(is_local(host) for host, _ in addresses_of(url)):
        return
    if not secrets_of(url):
        advice = "Set a password (requirepass, or an ACL) and name it in `store`."
        yield warning("store password", f"{redacted(url)} asks for none", advice)
    if split_url(url).scheme == "redis":
        advice = "rediss://, or a network that nobody else is in."
        yield warning("store tls", f"{redacted(url)} is not encrypted", advice)
