"""Tokens are estimated by a rule that is told to whoever reads the forecast."""

from typing import Any

import pytest

from experts.types import Request
from orchestrator.cli.plan.tokens import count_tokens

HI = [{"role": "user", "content": "12345678"}]


@pytest.mark.parametrize(
    ("body", "context", "expected"),
    [
        ({"prompt": "12345"}, None, (2, 16)),
        ({"prompt": "12345", "max_tokens": 7, "n": 3}, None, (2, 21)),
        ({"prompt": ["1234", "12345678"], "max_tokens": 7}, None, (3, 14)),
        ({"prompt": [[1, 2, 3], [4]], "max_tokens": 7}, None, (4, 14)),
        ({"prompt": [1, 2, 3]}, None, (3, 16)),
        ({"prompt": []}, None, (0, 16)),
        ({"messages": HI}, 100, (2, 98)),
        ({"messages": HI}, None, (2, None)),
        ({"messages": HI}, 1, (2, 0)),
        ({"messages": HI * 2, "max_completion_tokens": 9}, 100, (4, 9)),
        ({"messages": [{"role": "user", "content": None}], "max_tokens": 1}, None, (0, 1)),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "x"}]}
                ],
                "max_tokens": 1,
            },
            None,
            (1, 1),
        ),
    ],
)
def test_tokens_are_counted_by_rule(
    body: dict[str, Any], context: int | None, expected: tuple[int, int | None]
) -> None:
    operation: Any = "chat/completions" if "messages" in body else "completions"
    assert count_tokens(Request("r", operation, body), context) == expected
