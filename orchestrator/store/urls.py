"""The URL of a store in messages: without what nobody else may read."""

from urllib.parse import parse_qs, unquote, urlsplit

HIDDEN = "***"


def redacted(url: str) -> str:
    """A URL without user, password and query, for messages."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:  # The URL cannot be read: any part of it may be the password.
        return f"{url.partition(':')[0]}://{HIDDEN}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def secrets_of(url: str) -> tuple[str, ...]:
    """What of a URL no message may show."""
    parts = urlsplit(url)
    given = [parts.password, *(v for values in parse_qs(parts.query).values() for v in values)]
    found = {text for secret in given if secret for text in (secret, unquote(secret))}
    return tuple(sorted(found, key=len, reverse=True))
