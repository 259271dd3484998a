"""What clients send to make a batch."""

from typing import Annotated

from pydantic import Field

from orchestrator.server.bodies.sampling import Strict


class BatchBody(Strict):
    """A batch that is to be made of a file."""

    input_file_id: Annotated[str, Field(min_length=1)]
    endpoint: str
    """/v1/chat/completions, /v1/completions or /v1/embeddings."""
    completion_window: str
    """24h."""
    metadata: dict[str, str] | None = None
    """Up to 16 pairs, kept with the batch."""
