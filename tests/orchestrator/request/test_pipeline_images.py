"""Images on compositions: an expert that takes them, or one 400 before anyone is asked."""

from collections.abc import Sequence
from typing import Any

import pytest

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TEXT = {"type": "text", "text": "stream 1"}


@pytest.mark.parametrize("content", [[IMAGE], [TEXT, IMAGE]])
async def test_a_pool_that_takes_no_images_refuses_them(
    gateway: Any, content: Sequence[Any]
) -> None:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": content}]}
    answer = await gateway.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "takes images" in answer.json()["error"]["message"]
