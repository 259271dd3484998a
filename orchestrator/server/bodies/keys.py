"""What administrators send to make a key, and what they are told of keys."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from orchestrator.config.keys.section import KeyTerms
from orchestrator.config.sections import Name


class KeyBody(KeyTerms):
    """A key that is to be made."""

    name: Name = Field(description="The key's owner, for logs, files and batches.")


class KeyMade(TypedDict):
    """A new key."""

    name: str
    key: Annotated[str, Field(description="The key itself, which is told this once.")]


class KeyShown(TypedDict):
    """A key, less the key itself."""

    name: str
    source: Annotated[
        Literal["configuration", "store"], Field(description="Where it stands, and is taken away.")
    ]
    created: Annotated[str | None, Field(description="When, in UTC; null: not known.")]
    revoked: Annotated[str | None, Field(description="When, in UTC; null: it is valid.")]
    terms: Annotated[dict[str, Any], Field(description="What is not as usual of what it may ask.")]


class KeyList(TypedDict):
    """Every key."""

    keys: list[KeyShown]


class KeyRevoked(TypedDict):
    """A key that opens nothing any more."""

    name: str
    revoked: Literal[True]
