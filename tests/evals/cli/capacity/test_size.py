"""The options of `coterie size` have the defaults of what they set."""

import inspect

from evals.benchmarks.sizing.pool import Estimates
from evals.benchmarks.sizing.search import Wish
from evals.benchmarks.sizing.speeds import DEFAULT_COMPLETION, DEFAULT_PROMPT, Given
from evals.cli.capacity.size import size


def test_the_defaults_are_those_of_the_simulation() -> None:
    given = {name: one.default for name, one in inspect.signature(size).parameters.items()}

    assert given["bandwidth"] == Given().bandwidth_gb_s
    assert (given["tokens_per_s"], given["batching"]) == (None, None)
    estimates = Estimates(given["start"], given["load_speed"], given["wake_speed"])
    assert estimates == Estimates()
    assert given["slowdown"] == Wish({}).slowdown
    assert (given["prompt_tokens"], given["completion_tokens"]) == (
        DEFAULT_PROMPT,
        DEFAULT_COMPLETION,
    )
