"""What a stream tells of a panel is told anew to whoever gets it again."""

from __future__ import annotations

import json

from orchestrator.request.reuse.retold import retold


def event(tree: object) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def test_the_field_is_replaced_and_nothing_else() -> None:
    block = event({"a": 1}) + event({"id": "x", "coterie": {"cache": "miss"}}) + b": note\n\n"
    wanted = event({"a": 1}) + event({"id": "x", "coterie": {"cache": "hit"}}) + b": note\n\n"
    assert retold(block, lambda: {"cache": "hit"}) == wanted


def test_texts_that_look_like_it_stay() -> None:
    blocks = [
        event({"text": '"coterie": 1'}),
        event({"inner": {"coterie": 1}}),
        b'data: broken "coterie": {\n\n',
        event([{"coterie": 1}]),
    ]
    for block in blocks:
        assert retold(block, dict) == block
