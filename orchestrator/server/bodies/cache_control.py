"""What the header `cache-control` of a request says of kept answers (RFC 9111, 5.2.1). Pure."""

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.request.context import RequestOptions


def as_headers_say(options: RequestOptions, lines: Iterable[str]) -> RequestOptions:
    """`no-store`: neither a kept answer nor keep this one; `no-cache`: ask anew, and keep that."""
    told = {part.strip().lower() for part in ",".join(lines).split(",")}
    if "no-store" in told:
        return replace(options, cache="skip")
    if "no-cache" in told and options.cache == "use":
        return replace(options, cache="refresh")
    return options
