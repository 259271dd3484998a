"""A service over recorded answers, lines of batches, and the real client."""

from __future__ import annotations

import json
from typing import Any

from openai import AsyncOpenAI

from orchestrator.service import Service

ANSWERS = {
    "sums": {"2 + 3?": "Five.", "9 - 4?": "Also five.", "Capital of Peru?": "No idea."},
    "cities": {"2 + 3?": "Rome?", "9 - 4?": "Rome?", "Capital of Peru?": "Lima."},
}


def tree(recording: str, **keys: Any) -> dict[str, Any]:
    """The configuration of a service."""
    return {
        "experts": {
            name: {"type": "replay", "recording": recording, "model": name} for name in ANSWERS
        },
        "routers": {"fixed": {"type": "static", "expert": "cities"}},
        "compositions": {"pool/fixed": {"router": "fixed"}},
        **keys,
    }


def client_of(service: Service, key: str = "none") -> AsyncOpenAI:
    """The real client; it does not ask again."""
    return AsyncOpenAI(base_url=f"{service.base_url}/v1", api_key=key, max_retries=0)


def asked(custom_id: str, model: str, text: str, **body: Any) -> dict[str, Any]:
    """A line that asks a model one question."""
    messages = [{"role": "user", "content": text}]
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": messages, **body},
    }


def written(*lines: Any) -> bytes:
    """A file of lines."""
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )
