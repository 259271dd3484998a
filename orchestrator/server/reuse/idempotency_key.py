"""The header `Idempotency-Key`: where it means something, and what it may say."""

from collections.abc import Sequence

from starlette.types import Scope

from experts.errors import RequestError
from orchestrator.server.wire.layers import fields_of

HEADER = b"idempotency-key"
MAX_KEY = 255
ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/batches",
)
"""What costs something, or makes something; also below /batch and an expert's own path."""


def key_of(given: Sequence[bytes]) -> str:
    """The key in the header's lines; quotes around it, as the draft has them, are no part of it.

    Raises RequestError.
    """
    text = given[0].decode("latin-1").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if len(given) > 1 or not text or len(text) > MAX_KEY or not _is_printable(text):
        raise RequestError(
            f"An Idempotency-Key must be one text of 1 to {MAX_KEY} printable ASCII characters.",
            param="Idempotency-Key",
        )
    return text


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def keys_given(scope: Scope) -> list[bytes]:
    """The lines of the header, where it means anything."""
    if HEADER not in fields_of(scope) or scope["method"] != "POST":
        return []
    found = [value for name, value in scope["headers"] if name == HEADER]
    return found if scope["path"].endswith(ENDPOINTS) else []
