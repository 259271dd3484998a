"""The keys of `/v1/files` and `/v1/batches`."""

from pydantic import Field

from orchestrator.config.sections import Section


class BatchesConfig(Section):
    """Files of requests, and how they are run beside live traffic."""

    at_once: int = Field(
        4, ge=1, description="Batches that a gateway runs at the same time; others wait."
    )
    in_flight: int = Field(
        128,
        ge=1,
        description="Lines of a batch that are asked at the same time, and as many again that wait"
        " for an expert which had to leave for others. More fill larger GPUs; live requests wait"
        " for those of their expert that are under way.",
    )
    panels_in_flight: int = Field(
        1000,
        ge=1,
        description="Lines for panels that are asked at the same time, where the slots cannot hold"
        " all experts of a batch together: each such wave loads each of its experts once.",
    )
    retries: int = Field(
        5,
        ge=0,
        description="New tries for a line that failed for a reason that may pass: an expert that"
        " is overloaded, lost, or could not be loaded.",
    )
    max_file_mb: float = Field(
        512.0, gt=0, description="Largest file, in MiB; larger ones get HTTP 413."
    )
    max_lines: int = Field(
        200_000, ge=1, description="Most lines of a batch; one with more has failed."
    )
    max_line_mb: float = Field(
        16.0, gt=0, description="Longest line, in MiB; a longer one is an error, others go on."
    )
    max_errors: int = Field(
        100, ge=1, description="Errors that a batch shows at most, if all of it has failed."
    )
