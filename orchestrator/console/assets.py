"""The files of the console, read once from the package, each with what its response says of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

PAGE = "index.html"
_STATIC = "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What there is, by its suffix; a file of another kind would be a mistake of ours."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Scripts, styles and calls of this origin alone. The last two let the browser refuse every text
that would become HTML, so that no answer of a model can ever be one."""

SECURITY: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
)
"""The headers that every file of the console has."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `etag` names its content."""

    content: bytes
    media_type: str
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        """Those of its response.

        A browser asks each time whether it has the current one: a page of one version with a script
        of another would break.
        """
        return {**SECURITY, "etag": self.etag, "cache-control": "no-cache"}

    def is_in(self, known: str) -> bool:
        """Whether the client has it, by its `if-none-match`."""
        tags = (tag.strip().removeprefix("W/") for tag in known.split(","))
        return known.strip() == "*" or self.etag in tags


def load_assets() -> dict[str, Asset]:
    """Every file of the console by its path below `static/`; reads the package's files."""
    return dict(_below(files(__package__) / _STATIC, ""))


def _below(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{path}/")
        else:
            found.append((path, _asset(entry)))
    return found


def _asset(entry: Traversable) -> Asset:
    content = entry.read_bytes()
    suffix = entry.name[entry.name.rfind(".") :]
    return Asset(content, _KINDS[suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"')
