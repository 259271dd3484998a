"""Answers of chats for property tests: any that an engine may give, whole and as chunks."""

import json
from typing import Any

from hypothesis import strategies as st
from scripted_chat import USAGE, call, events

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.sampled_from(["weather", "read", "patch"])
INPUTS = st.dictionaries(
    WORDS, WORDS | st.integers(-9, 9) | st.lists(WORDS, max_size=2), max_size=3
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A message of an assistant with something in it."""
    found: dict[str, Any] = {"role": "assistant", "content": draw(WORDS) or None}
    if reasoning := draw(WORDS):
        found["reasoning"] = reasoning
    inputs = draw(st.lists(st.tuples(NAMES, INPUTS), max_size=3))
    calls = [call(f"c-{n}", name, json.dumps(told)) for n, (name, told) in enumerate(inputs)]
    return {**found, "tool_calls": calls} if calls else found


CHOICES = st.fixed_dictionaries(
    {
        "message": messages(),
        "finish_reason": st.sampled_from(["stop", "tool_calls", "length", "content_filter"]),
    }
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "delta", "message", "content", "reasoning", "tool_calls", "index"),
                    *("function", "name", "arguments", "usage", "finish_reason", "logprobs", "id"),
                    *("prompt_tokens", "prompt_tokens_details", "cached_tokens", "refusal", "text"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
"""What has the keys of a chunk, with whatever in them."""
HOSTILE = st.lists(
    VALUES
    | st.fixed_dictionaries(
        {"choices": st.lists(st.fixed_dictionaries({"delta": VALUES}), max_size=2)}
    ),
    max_size=4,
)


def whole(choice: dict[str, Any]) -> bytes:
    """A whole answer."""
    return json.dumps({"choices": [{"index": 0, **choice}], "usage": USAGE}).encode()


def block(tree: Any) -> bytes:
    """One event of a stream."""
    return f"data: {json.dumps(tree)}\n\n".encode()


def stream(choice: dict[str, Any], size: int, together: int) -> list[bytes]:
    """The same as a stream: texts in pieces of `size`, `together` events in a block."""
    all_ = [block(chunk) for chunk in events(choice, size)]
    all_.append(b"data: [DONE]\n\n")
    return [b"".join(all_[at : at + together]) for at in range(0, len(all_), together)]


def sent(body: bytes) -> list[dict[str, Any]]:
    """The data of the events in the body of a stream; each is named as its type says."""
    found = []
    for one in body.decode().split("\n\n"):
        lines = [line for line in one.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            found.append(tree := json.loads(data.removeprefix("data: ")))
            assert name == f"event: {tree['type']}"
    return found
