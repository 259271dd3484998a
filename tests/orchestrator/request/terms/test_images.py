"""Requests with images: who takes them, and that nobody else is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.terms.images import image_takers, with_images
from routers.base import Decision

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
NAMES = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


def _chat(*contents: Any) -> Request:
    messages = [{"role": "user", "content": content} for content in contents]
    return Request("r", "chat/completions", {"messages": messages})


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (["What is this?"], False),
        ([[{"type": "text", "text": "What is an image_url?"}]], False),
        ([[IMAGE]], True),
        ([[{"type": "text", "text": "What is this?"}, IMAGE]], True),
        ([[IMAGE], "And now?"], True),
        ([None], False),
    ],
)
def test_an_image_anywhere_in_the_conversation_counts(contents: list[Any], expected: bool) -> None:
    assert _chat(*contents).has_images is expected


def test_a_completion_has_none() -> None:
    assert not Request("r", "completions", {"prompt": "image_url"}).has_images


@given(NAMES, NAMES, NAMES)
def test_only_those_that_take_images_are_left_in_their_order(
    scored: list[str], panel: list[str], takers: list[str]
) -> None:
    scores = tuple((name, 1 / (n + 1)) for n, name in enumerate(scored))
    before = Decision("r", scores, "Near.", panel=tuple(panel), lead=panel[0], fallback="abstain")
    after = with_images(before, frozenset(takers), "pool/x")
    expected = [name for name in scored if name in takers] or sorted(takers)
    assert [name for name, _ in after.scores] == expected
    assert list(after.panel) == [name for name in panel if name in takers]
    assert after.lead in {None, *takers}
    assert after.fallback is None
    all_take = {*scored, *panel} <= set(takers)
    assert after.reason.startswith("Only experts that take images") != all_take


def test_a_pool_without_any_says_so() -> None:
    with pytest.raises(RequestError, match="No expert of `pool/x` takes images") as raised:
        with_images(Decision("r", (("a", 1.0),), "Near."), frozenset(), "pool/x")
    assert raised.value.param == "messages"


def test_who_takes_images_is_said_or_known_from_the_files(tmp_path: Path) -> None:
    def model(name: str, **config: Any) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        return str(folder)

    sees = model("sees", architectures=["Qwen2VLForConditionalGeneration"], vision_config={})
    reads = model("reads", architectures=["LlamaForCausalLM"])
    hears = model("hears", architectures=["Qwen2AudioForConditionalGeneration"], audio_config={})
    remote = {"type": "openai", "base_url": "http://localhost:1/v1", "model": "m"}
    config = Config.model_validate(
        {
            "version": 1,
            "experts": {
                "sees": {"type": "vllm", "model": sees},
                "role": {"type": "vllm", "same_as": "sees", "model": sees},
                "blind": {"type": "vllm", "model": sees, "images": False},
                "reads": {"type": "vllm", "model": reads},
                "hears": {"type": "vllm", "model": hears},
                "absent": {"type": "vllm", "model": "acme/absent"},
                "remote": remote,
                "looks": {**remote, "images": True},
            },
        }
    )
    assert image_takers(config) == {"sees", "role", "looks"}
