"""Which answers can still be scored: bounded by number and by memory, each by its own key."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.feedback import Feedback
from orchestrator.store.memory_store import MemoryStore
from routers.base import Decision

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
MIB = 1 << 20


def _feedback(**keys: Any) -> Feedback:
    config = Config.model_validate({"experts": {"far": REMOTE}, "feedback": keys})
    return Feedback(config, MemoryStore())


def _asked(name: str, text: str = "Why?") -> Request:
    return Request(name, "completions", {"prompt": text})


async def _scored(feedback: Feedback, name: str, key: str | None = None) -> bool:
    try:
        await feedback.give(name, 1.0, key)
    except RequestError:
        return False
    return True


async def test_large_questions_push_the_oldest_out(tmp_path: Path) -> None:
    feedback = _feedback(remember_mb=4, file=tmp_path / "scored.jsonl")
    for number in range(6):
        feedback.remember("pool/auto", _asked(f"r{number}", "x" * MIB), "far", None)
    assert [await _scored(feedback, f"r{number}") for number in range(6)] == [False] * 3 + [
        True
    ] * 3


async def test_a_question_above_the_bound_is_not_kept(tmp_path: Path) -> None:
    feedback = _feedback(remember_mb=1, file=tmp_path / "scored.jsonl")
    feedback.remember("pool/auto", _asked("small"), "far", None)
    feedback.remember("pool/auto", _asked("large", "x" * MIB), "far", None)
    assert not await _scored(feedback, "large")


async def test_without_a_file_no_question_is_kept() -> None:
    feedback = _feedback(remember_mb=1)
    for number in range(6):
        feedback.remember("pool/auto", _asked(f"r{number}", "x" * MIB), "far", None)
    assert [await _scored(feedback, f"r{number}") for number in range(6)] == [True] * 6


async def test_the_number_is_bounded_too() -> None:
    feedback = _feedback(remember=2)
    for name in "abc":
        feedback.remember("pool/auto", _asked(name), "far", None)
    assert [await _scored(feedback, name) for name in "abc"] == [False, True, True]


async def test_only_the_key_that_asked_may_score_and_only_once() -> None:
    feedback = _feedback()
    feedback.remember("pool/auto", _asked("r"), "far", None, "alice")
    assert not await _scored(feedback, "r", "bob")
    assert not await _scored(feedback, "r", None)
    assert await _scored(feedback, "r", "alice")
    assert not await _scored(feedback, "r", "alice")


async def test_two_keys_may_use_one_request_id() -> None:
    feedback = _feedback()
    feedback.remember("pool/auto", _asked("r"), "far", None, "alice")
    feedback.remember("pool/auto", _asked("r"), "far", None, "bob")
    assert await _scored(feedback, "r", "alice")
    assert await _scored(feedback, "r", "bob")


@given(sizes=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2000)), max_size=60))
def test_what_is_kept_stays_below_the_bound(sizes: list[tuple[str, int]]) -> None:
    feedback = _feedback(remember_mb=0.01, file="unused.jsonl")
    for name, size in sizes:
        feedback.remember("pool/auto", _asked(name, "ö" * size), "far", None)
        kept = feedback._answered.values()
        assert feedback._size == sum(answered.size for answered in kept) <= 0.01 * MIB


async def test_the_error_tells_where_to_look() -> None:
    with pytest.raises(RequestError, match=r"feedback\.remember_mb"):
        await _feedback().give("nothing", 1.0)


async def test_a_score_that_cannot_be_written_is_not_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    feedback = _feedback(file=tmp_path / "file" / "scored.jsonl")
    feedback.remember("pool/auto", _asked("r"), "far", None)
    reply = await feedback.give("r", 1.0)
    assert reply == {"expert": "far", "learned": False, "recorded": False}
    assert "could not be written" in caplog.text


async def test_what_is_remembered_and_learned_outlasts_another_configuration() -> None:
    learning = {"pool/auto": {"router": "drawn", "learning": {"rate": 0.5}}}
    tree: dict[str, Any] = {
        "experts": {"far": REMOTE, "near": REMOTE},
        "routers": {"drawn": {"type": "random"}},
        "compositions": learning,
    }
    feedback = Feedback(Config.model_validate(tree), MemoryStore())
    decision = Decision("drawn", (("far", 0.5), ("near", 0.5)), "")
    for name in ("first", "second"):
        _, asked = feedback.choose("pool/auto", decision, _asked(name))
        feedback.remember("pool/auto", _asked(name), "far", asked)
    assert (await feedback.give("first", 0.0))["learned"]
    learned = feedback.weights()
    more = {"pool/more": {"router": "drawn", "learning": {}}}
    await feedback.adopt(Config.model_validate({**tree, "compositions": {**learning, **more}}))
    assert feedback.weights()["pool/auto"] == learned["pool/auto"]
    assert set(feedback.weights()) == {"pool/auto", "pool/more"}
    await feedback.adopt(Config.model_validate({**tree, "compositions": {}}))
    assert not (await feedback.give("second", 0.0))["learned"]
