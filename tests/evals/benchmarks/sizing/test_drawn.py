"""Drawn traffic: at its rate, in its shares, and the same for the same seed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from config_files import REMOTE

from evals.benchmarks.sizing.drawn import draw_traffic, read_mix
from evals.benchmarks.sizing.traffic import Traffic
from experts.errors import ConfigError
from orchestrator.config.model import Config

HUB = {"type": "vllm", "model": "org/model", "memory_gb": 1}
CONFIG = Config.model_validate({"experts": {"law": HUB, "art": HUB, "far": REMOTE}})


def draw(mix: dict[str, float], **changed: Any) -> Traffic:
    settings: dict[str, Any] = {
        "minutes": 10,
        "most": 100_000,
        "prompt_tokens": 50,
        "completion_tokens": 20,
        "seed": 3,
    }
    return draw_traffic(10.0, mix, **{**settings, **changed})


def test_calls_come_at_the_rate_and_in_the_shares() -> None:
    traffic = draw({"law": 3.0, "art": 1.0})
    assert len(traffic.calls) == 6000
    assert traffic.rate == pytest.approx(10.0, rel=0.05)
    counts = Counter(call.expert for call in traffic.calls)
    assert counts["law"] / counts["art"] == pytest.approx(3.0, rel=0.1)
    lengths = [call.completion_tokens or 0 for call in traffic.calls]
    assert sum(lengths) / len(lengths) == pytest.approx(20, rel=0.05)
    assert min(lengths) >= 1
    assert {call.prompt_tokens for call in traffic.calls} == {50}


def test_a_seed_draws_the_same_again() -> None:
    assert draw({"law": 1.0}) == draw({"law": 1.0})
    assert draw({"law": 1.0}) != draw({"law": 1.0}, seed=4)


def test_no_more_are_drawn_than_may_be_simulated() -> None:
    assert len(draw({"law": 1.0}, most=100).calls) == 100
    assert len(draw({"law": 1.0}, minutes=1e-4).calls) == 1


def test_an_even_mix_has_all_experts_of_the_slots() -> None:
    assert read_mix("even", CONFIG) == {"art": 1.0, "law": 1.0}


def test_a_mix_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text("law: 3\nart: 0.5\n", encoding="utf-8")
    assert read_mix(str(path), CONFIG) == {"law": 3.0, "art": 0.5}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("far: 1", "far: no expert of the slots; they are art, law"),
        ("law: 0", "law: its share must be a number above 0"),
        ("law: much", "law: its share must be a number above 0"),
        ("- law", "write one expert a line"),
        ("", "write one expert a line"),
    ],
)
def test_a_mix_that_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_mix(str(path), CONFIG)
    assert says in " ".join((str(caught.value), *caught.value.problems))
