"""What administrators send to make a key, and what they are told of keys."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from orchestrator.config.keys.section import KeyTerms
from orchestrator.config.sections import Name
from orchestrator.keys.listing import KeyShown


class KeyBody(KeyTerms):
    """A key that is to be made."""

    name: Name = Field(description="The key's owner, for logs, files and batches.")


class KeyMade(TypedDict):
    """A new key."""

    name: str
    key: Annotated[str, Field(description="The key itself, which is told this once.")]


class KeyList(TypedDict):
    """Every key."""

    keys: list[KeyShown]


class KeyRevoked(TypedDict):
    """A key that opens nothing any more."""

    name: str
    revoked: Literal[True]
