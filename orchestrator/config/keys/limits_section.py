"""The keys of `server.limits` and `server.admin`: how limits are kept, where keys are managed."""

from pydantic import Field

from orchestrator.config.sections import Section


class LimitsConfig(Section):
    """How gateways keep the limits of API keys, together with others on the same store."""

    refresh_s: float = Field(
        2.0,
        gt=0,
        le=3600,
        description="Seconds between two looks into the store: that long may a key that was made"
        " or revoked elsewhere stay unknown, or valid.",
    )
    credit_share: float = Field(
        0.03,
        gt=0,
        le=1,
        description="Share of a minute's limit that a gateway draws from the store at once, where"
        " requests take less: so a key costs some 30 calls of the store in a minute, and another"
        " gateway may have to do without twice that share. Of a day's limit it is a 24th of that.",
    )
    unstated_tokens: int = Field(
        256,
        ge=1,
        description="Tokens that are reserved for an answer whose request sets no `max_tokens`.",
    )
    batch_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of a minute's limit that lines of the key's batches may use up; the rest"
        " is left to its other requests.",
    )
    ask_again_s: float = Field(
        0.25,
        ge=0,
        description="Seconds in which a limit that the store has told to be reached is not asked"
        " for again.",
    )
    store_timeout_s: float = Field(
        0.5,
        gt=0,
        description="Longest wait for the store before a request; then limits count on this gateway"
        " alone.",
    )
    store_retry_s: float = Field(
        5.0, gt=0, description="Seconds after which a store that did not answer is asked again."
    )


class AdminConfig(Section):
    """A listener of its own for what changes the service."""

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(ge=0, le=65535, description="The port to listen on; 0: a free one.")
