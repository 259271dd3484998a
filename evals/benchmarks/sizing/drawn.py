"""Draws the traffic where there is no trace: calls at a rate, shared out among experts. Pure."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evals.benchmarks.sizing.traffic import Call, Traffic
from experts.errors import ConfigError
from experts.files.jsonl import read_text
from experts.files.yaml_text import parse_yaml
from orchestrator.config.model import DEFAULT_CLASS, Config

EVEN = "even"


def read_mix(mix: str, config: Config) -> dict[str, float]:
    """Expert -> its share of the calls; all of them equal, or as a YAML file says.

    Raises ConfigError.
    """
    hosted = {name for name in config.hosted() if name in config.answering}
    if not hosted:
        raise ConfigError("The pool has no expert in its slots: nothing needs a GPU.")
    if mix == EVEN:
        return dict.fromkeys(sorted(hosted), 1.0)
    path = Path(mix)
    tree = parse_yaml(read_text(path), path)
    if not isinstance(tree, Mapping) or not tree:
        raise ConfigError(f"{path}: write one expert a line with its share, such as `law: 3`.")
    problems = [
        f"{name}: {why}" for name, share in tree.items() if (why := _wrong(name, share, hosted))
    ]
    if problems:
        raise ConfigError(f"{path} has shares that are wrong.", problems=tuple(problems))
    return {name: float(share) for name, share in tree.items()}


def draw_traffic(
    rate: float,
    mix: Mapping[str, float],
    *,
    minutes: float,
    most: int,
    prompt_tokens: int,
    completion_tokens: int,
    seed: int,
) -> Traffic:
    """Poisson arrivals at `rate` calls/s; the lengths of answers are geometric, as chance has it.

    At most `most` calls, and at least one.
    """
    rng = np.random.default_rng(seed)
    count = max(1, min(round(rate * 60 * minutes), most))
    names, weights = list(mix), np.array(list(mix.values()))
    at_s = np.cumsum(rng.exponential(1.0 / rate, size=count))
    chosen = rng.choice(len(names), size=count, p=weights / weights.sum())
    lengths = rng.geometric(1.0 / completion_tokens, size=count)
    calls = tuple(
        Call(float(at - at_s[0]), names[expert], DEFAULT_CLASS, prompt_tokens, int(length))
        for at, expert, length in zip(at_s, chosen, lengths, strict=True)
    )
    notes = (
        f"Calls come by chance (seed {seed}), {rate:g} a second, with {prompt_tokens:,} tokens of"
        f" prompt and answers of {completion_tokens:,} tokens in the mean.",
    )
    return Traffic(f"{rate:g} calls a second, drawn", count, calls, notes)


def _wrong(name: object, share: object, hosted: set[str]) -> str:
    if name not in hosted:
        return f"no expert of the slots; they are {', '.join(sorted(hosted))}"
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1e9:
        return f"its share must be a number above 0; not {share!r}"
    return ""
