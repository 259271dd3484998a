"""The URL of a store: the servers that it names, and what of it nobody else may read.

A Redis URL may name several servers, `redis://USER:PASSWORD@HOST:PORT,HOST:PORT/DB`.
"""

import re
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit

HIDDEN = "***"
REDIS_PORT = 6379
CA_FILE = "ssl_ca_certs"
SECRETS = ("password", "ssl_password")
"""Parameters of a URL that are hidden."""
_PLACE = re.compile(r"([A-Za-z]+://)([^/?#]+)")
"""The scheme; user, password and servers."""


def split_url(url: str) -> SplitResult:
    """As `urlsplit`, but of several servers any may be an IPv6 address. Raises ValueError.

    `urlsplit` of newer Pythons, Debian's among them, takes brackets before all servers only.
    """
    begin = _PLACE.match(url)
    if begin is None or "," not in begin[2].rpartition("@")[2]:
        return urlsplit(url)
    return urlsplit(f"{begin[1]}several{url[begin.end() :]}")._replace(netloc=begin[2])


def redacted(url: str) -> str:
    """A URL without user, password and query, for messages."""
    try:
        parts = split_url(url)
        addresses_of(url)
    except ValueError:  # The URL cannot be read: any part of it may be the password.
        return f"{url.partition(':')[0]}://{HIDDEN}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}{parts.path}"


def secrets_of(url: str) -> tuple[str, ...]:
    """What of a URL no message may show."""
    parts = split_url(url)
    query = parse_qs(parts.query)
    given = [_credentials(parts).partition(":")[2]]
    given += [value for name in SECRETS for value in query.get(name, ())]
    found = {text for secret in given if secret for text in (secret, unquote(secret))}
    return tuple(sorted(found, key=len, reverse=True))


def addresses_of(url: str) -> tuple[tuple[str, int], ...]:
    """Host and port of each server, in order. Raises ValueError."""
    parts = split_url(url)
    given = parts.netloc.rpartition("@")[2].split(",")
    database = parts.path.removeprefix("/")
    if database and not (database.isascii() and database.isdecimal()):
        raise ValueError("the database is not a number")
    each = [urlsplit(f"//{_credentials(parts)}@{one}") for one in given]
    if not all(one.hostname and one.port != 0 for one in each):
        raise ValueError("a server has no host, or port 0")
    return tuple((one.hostname or "", one.port or REDIS_PORT) for one in each)


def with_one_host(url: str) -> str:
    """The same URL with its first server alone, as redis-py reads it."""
    parts = split_url(url)
    first = parts.netloc.rpartition("@")[2].split(",")[0]
    given = _credentials(parts)
    return parts._replace(netloc=f"{given}@{first}" if given else first).geturl()


def ca_of(url: str) -> str | None:
    """The file of the CA that a URL names. Raises ValueError."""
    return dict(parse_qsl(split_url(url).query)).get(CA_FILE)


def with_ca(url: str, path: str) -> str:
    """The same URL with another file of the CA."""
    parts = split_url(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), CA_FILE: path}
    return parts._replace(query=urlencode(query)).geturl()


def _credentials(parts: SplitResult) -> str:
    """USER:PASSWORD as it stands there."""
    return parts.netloc.rpartition("@")[0]
