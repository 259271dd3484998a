"""The keys of `server.cache` and `server.idempotency`: which answers are given again, how long."""

from pydantic import Field

from orchestrator.config.sections import Section

MIB = 1 << 20


class KeptSection(Section):
    """What is kept in the store, within bounds."""

    max_mb: float = Field(
        64.0,
        gt=0,
        allow_inf_nan=False,
        description="Most that the answers take in the store, in MiB, of all gateways together;"
        " what was used last longest ago leaves.",
    )
    max_entry_mb: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Largest answer that is kept, in MiB.",
    )
    store_timeout_s: float = Field(
        0.5,
        gt=0,
        description="Longest wait for the store before a request; then it goes on without.",
    )
    store_retry_s: float = Field(
        5.0, gt=0, description="Seconds after which a store that did not answer is asked again."
    )

    @property
    def max_bytes(self) -> int:
        """The bound of all answers."""
        return int(self.max_mb * MIB)

    @property
    def max_entry_bytes(self) -> int:
        """The bound of one answer."""
        return int(self.max_entry_mb * MIB)


class CacheConfig(KeptSection):
    """Exact answers, for requests whose answer is the same each time: temperature 0, or a seed."""

    ttl_s: float = Field(
        3600.0, gt=0, le=31_536_000, description="Seconds for which an answer is given again."
    )
    coalesce: bool = Field(
        True,
        description="Whether equal requests that are under way on a gateway at once are asked once,"
        " and all get that answer.",
    )


class IdempotencyConfig(KeptSection):
    """What becomes of requests with an `Idempotency-Key`."""

    ttl_s: float = Field(
        86_400.0,
        gt=0,
        le=31_536_000,
        description="Seconds for which a retry gets the answer of the first request.",
    )
    claim_s: float = Field(
        15.0,
        ge=1,
        le=3600,
        description="Seconds after which a gateway that has died is known to be gone, so that a"
        " retry runs; until then it gets HTTP 409.",
    )
