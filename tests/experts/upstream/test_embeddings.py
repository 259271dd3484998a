"""What an expert sends as embeddings is that, or its own error, whatever its bytes."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import BadOutput, ExpertError, ExpertRefused
from experts.upstream.answers import JSON, inputs_of
from experts.upstream.embeddings import check_embeddings

FLOATS = st.floats(-1, 1, width=32)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "embedding", "index", "error"]), inner)
    ),
)


def _body(vectors: list[Any]) -> bytes:
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return json.dumps({"data": data, "usage": {"prompt_tokens": 3}}).encode()


def _packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _counted(usage: Any) -> bytes:
    return json.dumps({"data": [{"embedding": [1.0]}], "usage": usage}).encode()


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(FLOATS, min_size=n, max_size=n))))
def test_vectors_of_one_length_pass_as_lists_and_packed(vectors: list[list[float]]) -> None:
    if not vectors:
        return
    check_embeddings("far", JSON, _body(vectors), len(vectors))
    check_embeddings("far", JSON, _body([_packed(*v) for v in vectors]), len(vectors))


def test_what_was_asked_for_as_numbers_is_not_packed() -> None:
    check_embeddings("far", JSON, _body([[1.0]]), 1, packed=False)
    with pytest.raises(BadOutput, match="packed its embeddings, unasked"):
        check_embeddings("far", JSON, _body([_packed(1.0)]), 1, packed=False)


@given(ANYTHING, st.integers(1, 3))
def test_any_json_passes_or_is_the_experts_error(tree: Any, count: int) -> None:
    caught: list[ExpertError] = []
    try:
        check_embeddings("far", JSON, json.dumps(tree).encode(), count)
    except ExpertError as error:
        caught.append(error)
    assert [error.expert for error in caught] == ["far"] or len(tree["data"]) == count


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 1),
        (b"<html>", 1),
        (b"[]", 1),
        (b"{}", 1),
        (_body([]), 1),
        (_body([[1.0]]), 2),
        (_body([[1.0], [1.0, 2.0]]), 2),
        (_body([[]]), 1),
        (_body([["1"]]), 1),
        (_body([[True]]), 1),
        (_body([[None]]), 1),
        (_body([[float("nan")]]), 1),
        (_body([""]), 1),
        (_body(["***"]), 1),
        (_body(["AAA="]), 1),
        (_body([_packed(float("inf"))]), 1),
        *[(_counted(told), 1) for told in ("x", [], {"prompt_tokens": -3}, {"total_tokens": "x"})],
        (b'{"data": [{"embedding": [1]}], "more": [NaN]}', 1),
        (b'{"data": [{"index": 1, "embedding": [1]}]}', 1),
        (b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}', 2),
    ],
)
def test_what_is_no_embedding_is_bad_output(content: bytes, count: int) -> None:
    with pytest.raises(BadOutput):
        check_embeddings("far", JSON, content, count)


def test_a_page_is_bad_output_though_it_reads_like_embeddings() -> None:
    with pytest.raises(BadOutput, match="text/html"):
        check_embeddings("far", "text/html", _body([[1.0]]), 1)


def test_an_error_in_the_body_is_told_without_its_key() -> None:
    content = json.dumps({"error": {"message": "no: s3cr3t-of-ours", "code": 400}}).encode()
    with pytest.raises(ExpertRefused, match="no: ") as caught:
        check_embeddings("far", JSON, content, 1, ("s3cr3t-of-ours",))
    assert "s3cr3t-of-ours" not in caught.value.message


@pytest.mark.parametrize(
    ("inputs", "count"), [("text", 1), ([1, 2], 1), (["a", "b"], 2), ([[1], [2], [3]], 3)]
)
def test_each_input_has_a_vector(inputs: Any, count: int) -> None:
    assert inputs_of(inputs) == count
