"""The keys of an API key: the secret or its hash, what it may ask, and how much of it."""

import re
from collections.abc import Iterable
from hashlib import sha256

from pydantic import Field, field_validator, model_validator

from orchestrator.config.sections import DEFAULT_CLASS, Section

HASH_PREFIX = "sha256:"
_HASH = re.compile(rf"{HASH_PREFIX}[0-9a-f]{{64}}")
_MODEL = re.compile(r"[A-Za-z0-9._+/*-]+")
MOST_TOKENS = 10**15
MOST_USD = 1e6


class KeyTerms(Section):
    """What a key may ask, and how much of it."""

    models: list[str] | None = Field(
        None,
        min_length=1,
        description="The models that the key may ask: names, or patterns with `*`, such as pool/*;"
        " the others do not exist for it. null: all.",
    )
    requests_per_minute: int | None = Field(
        None, ge=1, le=10**9, description="Most requests in a minute of the clock; null: no limit."
    )
    tokens_per_minute: int | None = Field(
        None,
        ge=1,
        le=MOST_TOKENS,
        description="Most tokens, of prompts and answers together, in a minute of the clock; null:"
        " no limit.",
    )
    max_in_flight: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="Most requests under way at once, for each gateway; null: no limit. Lines of"
        " batches do not count.",
    )
    tokens_per_day: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="Most tokens in a day (UTC); null: no limit."
    )
    price_per_day: float | None = Field(
        None,
        gt=0,
        le=MOST_USD,
        description="Most US dollars in a day (UTC), by `price_usd_per_mtok` of the experts that"
        " were asked; null: no limit.",
    )
    request_class: str = Field(
        DEFAULT_CLASS,
        alias="class",
        description="The class, from `classes`, of requests that choose none.",
    )
    admin: bool = Field(
        False,
        description="Whether the key may also change the service: reload its configuration or its"
        " routers, add experts, make and revoke keys.",
    )

    @field_validator("models")
    @classmethod
    def _are_names(cls, value: list[str] | None) -> list[str] | None:
        if not all(map(_MODEL.fullmatch, value or ())):
            raise ValueError("must be names of models, or patterns with `*` such as pool/*")
        return value


class ApiKey(KeyTerms):
    """A key that clients may use."""

    key: str | None = Field(
        None,
        description="The key itself, usually ${env:NAME}; or give its `hash` instead.",
        repr=False,
    )
    hash: str | None = Field(
        None,
        description="`sha256:` and the SHA-256 of the key in 64 hexadecimal digits. Only for keys"
        " that nobody can guess, such as those that `coterie key create` makes.",
        repr=False,
    )

    @field_validator("key")
    @classmethod
    def _fits_a_header(cls, value: str | None) -> str | None:
        if value is None or not re.fullmatch(r"[!-~]+", value):
            raise ValueError("must be one or more visible ASCII characters without spaces")
        return value

    @field_validator("hash")
    @classmethod
    def _is_a_hash(cls, value: str | None) -> str | None:
        if value is None or not _HASH.fullmatch(value):
            raise ValueError("must be `sha256:` and 64 hexadecimal digits in lower case")
        return value

    @model_validator(mode="after")
    def _has_one_of_them(self) -> "ApiKey":
        if (self.key is None) == (self.hash is None):
            raise ValueError("needs either `key` or `hash`")
        return self

    @property
    def digest(self) -> str:
        """The `hash` of the key, however it is given."""
        return self.hash or hash_of((self.key or "").encode())


def hash_of(secret: bytes) -> str:
    """`sha256:` and the digest.

    One round is enough: our own keys have 256 random bits, which nobody can try out, and a slow
    hash would be paid by every request.
    """
    return HASH_PREFIX + sha256(secret).hexdigest()


def matches(model: str, patterns: Iterable[str]) -> bool:
    """Whether a model's name is one of `patterns`, in which `*` stands for any letters."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), model) for pattern in patterns
    )
