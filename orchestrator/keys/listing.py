"""Keys as they are shown: where they stand and what they may ask, never themselves."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from orchestrator.config.keys.section import ApiKey, KeyTerms
from orchestrator.keys.book import StoredKey, terms_of


class KeyShown(TypedDict):
    """A key, less the key itself."""

    name: str
    source: Annotated[
        Literal["configuration", "store"], Field(description="Where it stands, and is taken away.")
    ]
    created: Annotated[str | None, Field(description="When, in UTC; null: not known.")]
    revoked: Annotated[str | None, Field(description="When, in UTC; null: it is valid.")]
    terms: Annotated[dict[str, Any], Field(description="What is not as usual of what it may ask.")]


def listed(own: Mapping[str, ApiKey], stored: Mapping[str, StoredKey]) -> list[KeyShown]:
    """Those of the configuration, then those of the store."""
    return [_shown(name, key) for keys in (own, stored) for name, key in keys.items()]


def _shown(name: str, key: KeyTerms) -> KeyShown:
    stored = key if isinstance(key, StoredKey) else None
    return {
        "name": name,
        "source": "store" if stored else "configuration",
        "created": stored.created if stored else None,
        "revoked": stored.revoked if stored else None,
        "terms": terms_of(key),
    }
