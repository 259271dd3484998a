"""Whatever stands in a file: it is accepted, or refused with paths, and never anything else."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from config_files import HUB, REMOTE
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from orchestrator.config.model import Config, load_config

TREE: dict[str, Any] = {
    "experts": {"far": REMOTE, "hub": HUB, "tuned": {**HUB, "adapter_of": "hub"}},
    "routers": {
        "near": {"type": "knn", "outcomes": "o.parquet", "coverage": {"action": "abstain"}}
    },
    "aggregators": {"some": {"type": "strategy", "panel": {"type": "vote"}}},
    "compositions": {
        "pool/auto": {"router": "near", "learning": {"rate": 0.1}, "budget": {"calls": 3}},
        "pool/all": {"router": "near", "aggregator": {"type": "rank", "judge": "far"}},
    },
    "classes": {"slow": {"max_wait_s": 60}},
    "slots": {"count": 1, "memory_gb": 4, "engine_args": {}},
    "server": {"api_keys": {"me": {"key": "k", "class": "batch"}}},
    "feedback": {"file": "scored.jsonl"},
    "traces": {"file": "traces.jsonl", "sample": 0.5},
    "store": "memory",
}


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield (*path, key)
        yield from _places(value, (*path, key))


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=True)
    | st.sampled_from(["", "x", "vllm", "a.b:C", ":", "os:getcwd", "${env:", "/", "redis://"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "key", "model", "x", 1, ""]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(list(_places(TREE))), junk=JUNK)
def test_junk_at_any_place_is_a_mistake_with_a_path_or_nothing(
    place: tuple[Any, ...], junk: Any
) -> None:
    tree = copy.deepcopy(TREE)
    section = tree
    for part in place[:-1]:
        section = section[part]
    section[place[-1]] = junk
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        for problem in _problems(path):
            where, colon, what = problem.partition(": ")
            assert where.split(".")[0] in tree
            assert colon
            assert len(what) > 3


def _problems(path: Path) -> tuple[str, ...]:
    """The mistakes, without which there is a configuration."""
    try:
        config = load_config(path)
    except ConfigError as error:
        return error.problems or ("a refusal without a path",)
    assert isinstance(config, Config)
    return ()
