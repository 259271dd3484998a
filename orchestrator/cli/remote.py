"""Calls of the command line to a running service."""

from collections.abc import Mapping
from typing import Any

import httpx

from experts.errors import ServiceError
from experts.upstream.quoting import quoted

TIMEOUT_S = 60.0
ABSENT = (404, 405, 501)


class NoSuchPage(ServiceError):
    """A server is there, and has not what was asked for."""


def call(
    method: str,
    url: str,
    path: str,
    api_key: str | None,
    body: Mapping[str, Any] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """The JSON object that the service at `url` answers with. Raises ServiceError."""
    base = url.rstrip("/").removesuffix("/v1")
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            answer = client.request(method, f"{base}{path}", headers=headers, json=body)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        raise ServiceError(
            f"`{quoted(base)}` is not the address of a service.",
            hint="One begins with http:// or https://, such as http://localhost:8000 (--url).",
        ) from error
    except httpx.TransportError as error:
        raise ServiceError(
            f"No service answers at {base}: {(str(error) or type(error).__name__).rstrip('.')}.",
            hint="Start one with `coterie serve`, or name another address with --url.",
        ) from error
    if answer.status_code == 401:
        raise ServiceError(f"The service at {base} requires an API key: give one with --api-key.")
    tree = _json(answer)
    if answer.status_code >= 400:
        said = tree.get("error") if isinstance(tree, dict) else None
        words = said.get("message", "") if isinstance(said, dict) else ""
        kind = NoSuchPage if answer.status_code in ABSENT else ServiceError
        raise kind(
            f"{base}{path} answered HTTP {answer.status_code}{': ' + words if words else '.'}",
            hint="" if words else "Is it a Coterie service?",
        )
    if not isinstance(tree, dict):
        raise NoSuchPage(
            f"{base}{path} does not answer with a JSON object: is it a Coterie service?"
        )
    return tree


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
