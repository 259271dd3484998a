"""Every kind of mistake in a file is named with its path."""

import math
from typing import Any

import pytest
from config_files import HUB, REMOTE, problems_of

from orchestrator.config.model import load_config

MISTAKES = {
    "unknown key, near one": (
        {"experts": {"a": {**REMOTE, "modle": 1}}},
        "experts.a.modle: unknown key. Did you mean `model`?",
    ),
    "unknown key of a section": (
        {"experts": {"a": REMOTE}, "server": {"prot": 1}},
        "server.prot: unknown key. Did you mean `port`?",
    ),
    "unknown key of a composition": (
        {"experts": {"a": REMOTE}, "compositions": {"pool/auto": {"router": "r", "rooter": 1}}},
        "compositions.pool/auto.rooter: unknown key. Did you mean `router`?",
    ),
    "unknown key of the file": (
        {"experts": {"a": REMOTE}, "xyz": 1},
        "xyz: unknown key. Known keys: aggregators, batches, classes, compositions, experts",
    ),
    "unknown key, called like a kind": (
        {"experts": {"a": {**REMOTE, "openai": {}}}},
        "experts.a.openai: unknown key.",
    ),
    "missing key": (
        {"experts": {"a": {"type": "vllm"}}},
        "experts.a.model: this key is required: a folder with weights",
    ),
    "more experts than a router names": (
        {
            "experts": {"a": REMOTE, "b": REMOTE},
            "routers": {"one": {"type": "static", "expert": "a"}},
            "compositions": {"pool/two": {"router": "one", "aggregator": "vote", "experts": 2}},
        },
        "compositions.pool/two.experts: the router `one` names at most 1 of them, so 2 cannot",
    ),
    "more experts than there are": (
        {
            "experts": {"a": REMOTE, "b": REMOTE},
            "routers": {"any": {"type": "random"}},
            "compositions": {"pool/x": {"router": "any", "aggregator": "vote", "experts": 3}},
        },
        "compositions.pool/x.experts: the router `any` names at most 2 of them, so 3 cannot",
    ),
    "missing experts": (
        {"version": 1},
        "experts: this key is required: the models that can answer",
    ),
    "a task that there is none of": (
        {"experts": {"a": {**REMOTE, "task": "embedding"}}},
        "experts.a.task: must be 'generate' or 'embed'.",
    ),
    "a system prompt of an embedder": (
        {"experts": {"a": {**REMOTE, "task": "embed", "system": "Be brief."}}},
        "experts.a.system: what gives embeddings (`task: embed`) has none; leave it out.",
    ),
    "an embedder's runner": (
        {"experts": {"a": {**HUB, "task": "embed", "engine_args": {"runner": "pooling"}}}},
        "experts.a.engine_args.runner: `task: embed` says so already; leave it out.",
    ),
    "an embedder that classifies": (
        {"experts": {"a": {**HUB, "task": "embed", "engine_args": {"convert": "classify"}}}},
        "experts.a.engine_args.convert: `task: embed` needs embeddings, which `classify` does not",
    ),
    "a runner that gives no text": (
        {"experts": {"a": {**HUB, "engine_args": {"runner": "pooling"}}}},
        "experts.a.engine_args.runner: an expert answers with text, which `pooling` does not;",
    ),
    "another role of an embedder": (
        {"experts": {"a": {**HUB, "task": "embed"}, "b": {"type": "vllm", "same_as": "a"}}},
        "experts.b.same_as: `a` gives embeddings (`task: embed`); another role needs one that",
    ),
    "a router that would ask an embedder": (
        {
            "experts": {"a": REMOTE, "v": {**REMOTE, "task": "embed"}},
            "routers": {"one": {"type": "static", "expert": "v"}},
        },
        "routers.one.expert: no expert is called `v` (known: a).",
    ),
    "more experts than answer": (
        {
            "experts": {"a": REMOTE, "v": {**REMOTE, "task": "embed"}},
            "routers": {"any": {"type": "random"}},
            "compositions": {"pool/x": {"router": "any", "aggregator": "vote", "experts": 2}},
        },
        "compositions.pool/x.experts: the router `any` names at most 1 of them, so 2 cannot",
    ),
    "an encoder that answers": (
        {
            "experts": {"a": REMOTE, "v": {**REMOTE, "task": "embed"}},
            "routers": {"k": {"type": "knn", "outcomes": "o.parquet", "encoder": "a"}},
        },
        "routers.k.encoder: no expert with `task: embed` is called `a` (known: v); a model is",
    ),
    "an encoder without its model": (
        {
            "experts": {"a": REMOTE},
            "routers": {"k": {"type": "knn", "outcomes": "o.parquet", "encoder": {}}},
        },
        "routers.k.encoder",
    ),
    "no expert": ({"experts": {}}, "experts: must not be empty."),
    "wrong type": (
        {"experts": {"a": REMOTE}, "server": {"port": "many"}},
        "server.port: must be a whole number.",
    ),
    "a boolean for a number": (
        {"experts": {"a": REMOTE}, "server": {"port": True}},
        "server.port: must be a number, not true or false.",
    ),
    "a boolean for a number of an aggregator": (
        {"experts": {"a": REMOTE}, "aggregators": {"v": {"type": "vote", "samples": True}}},
        "aggregators.v.samples: must be a number, not true or false.",
    ),
    "infinite seconds": (
        {"experts": {"a": REMOTE}, "slots": {"load_timeout_s": math.inf}},
        "slots.load_timeout_s: must be a finite number.",
    ),
    "an infinite number as a text": (
        {"experts": {"a": REMOTE}, "slots": {"memory_gb": "1e400"}},
        "slots.memory_gb: must be a finite number.",
    ),
    "an expert without a number for its price": (
        {"experts": {"a": {**REMOTE, "price_usd_per_mtok": math.nan}}},
        "experts.a.price_usd_per_mtok: must be a finite number.",
    ),
    "a port that is none": (
        {"experts": {"a": {**REMOTE, "base_url": "http://far.test:999999/v1"}}},
        "experts.a.base_url: must be http://HOST:PORT/PATH, with a port from 1 to 65535",
    ),
    "an address that is none": (
        {"experts": {"a": {**REMOTE, "base_url": "http://[::1/v1"}}},
        "experts.a.base_url: must be http://HOST:PORT/PATH",
    ),
    "out of range": (
        {"experts": {"a": REMOTE}, "server": {"port": 70000}},
        "server.port: must be less than or equal to 65535",
    ),
    "an URL of an operation": (
        {"experts": {"a": {**REMOTE, "base_url": "http://far.test/v1/chat/completions/"}}},
        "experts.a.base_url: must be the URL up to, and without, /chat/completions",
    ),
    "not an URL": (
        {"experts": {"a": {**REMOTE, "base_url": "far.test"}}},
        "experts.a.base_url: must start with http:// or https://",
    ),
    "unknown kind": (
        {"experts": {"a": {"type": "vlm", "model": "m"}}},
        "experts.a.type: there is no type `vlm` (known: vllm, torch, openai, replay, or",
    ),
    "no kind": (
        {"experts": {"a": {"model": "m"}}},
        "experts.a.type: this key is required (known: vllm, torch, openai",
    ),
    "an expert that is no mapping": ({"experts": {"a": 3}}, "experts.a: "),
    "expert with a bad name": (
        {"experts": {"a b": REMOTE}},
        "experts.a b: the name must consist of letters",
    ),
    "expert with a long name": (
        {"experts": {"a" * 201: REMOTE}},
        f"experts.{'a' * 201}: the name must have no more than 200 characters",
    ),
    "composition with a long name": (
        {"experts": {"a": REMOTE}, "compositions": {f"pool/{'a' * 200}": {"router": "r"}}},
        f"compositions.pool/{'a' * 200}: the name must have no more than 200 characters",
    ),
    "expert with a number for a name": (
        {"experts": {1: REMOTE}},
        "experts.1: the name must be a text, but YAML reads it as a number: put it in quotes.",
    ),
    "expert with a boolean for a name": (
        {"experts": {True: REMOTE}},
        "experts.true: the name must be a text, but YAML reads it as true or false: put it in",
    ),
    "a number for a text": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {"me": {"key": 4321}}}},
        "server.api_keys.me.key: must be a text, but YAML reads it as a number: put it in quotes.",
    ),
    "a list for an aggregator": (
        {
            "experts": {"a": REMOTE},
            "routers": {"r": {"type": "random"}},
            "compositions": {"pool/auto": {"router": "r", "aggregator": ["vote"]}},
        },
        "compositions.pool/auto.aggregator: must be a text or a mapping.",
    ),
    "composition with a bad name": (
        {"experts": {"a": REMOTE}, "compositions": {"auto": {"router": "r"}}},
        "compositions.auto: the name must have two parts",
    ),
    "composition of an unknown class": (
        {
            "experts": {"a": REMOTE},
            "routers": {"r": {"type": "random"}},
            "classes": {"slow": {"max_wait_s": 60}},
            "compositions": {"pool/auto": {"router": "r", "class": "slwo"}},
        },
        "compositions.pool/auto.class: no request class is called `slwo`"
        " (known: interactive, batch, slow).",
    ),
    "composition with a negative price": (
        {
            "experts": {"a": REMOTE},
            "routers": {"r": {"type": "random"}},
            "compositions": {"pool/auto": {"router": "r", "load_price": -1}},
        },
        "compositions.pool/auto.load_price: must be greater than or equal to 0.",
    ),
    "unknown key of a class": (
        {"experts": {"a": REMOTE}, "classes": {"slow": {"max_wait": 3}}},
        "classes.slow.max_wait: unknown key. Did you mean `max_wait_s`?",
    ),
    "class without its bound": (
        {"experts": {"a": REMOTE}, "classes": {"slow": {}}},
        "classes.slow.max_wait_s: this key is required: age in seconds",
    ),
    "API key of an unknown class": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {"me": {"key": "k", "class": "x"}}}},
        "server.api_keys.me.class: no request class is called `x` (known: interactive, batch).",
    ),
    "unknown key of an API key": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {"me": {"key": "k", "clas": "x"}}}},
        "server.api_keys.me.clas: unknown key. Did you mean `class`?",
    ),
    "API key that fits no header": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {"me": {"key": "a\nb"}}}},
        "server.api_keys.me.key: must be one or more visible ASCII characters",
    ),
    "API key of two names": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {n: {"key": "k"} for n in "xy"}}},
        "server.api_keys.y.key: `x` has the same key; give each its own.",
    ),
    "composition called like the embedding model": (
        {
            "experts": {"a": REMOTE},
            "routers": {"r": {"type": "random"}},
            "compositions": {"coterie/embed": {"router": "r"}},
        },
        "compositions.coterie/embed: ",
    ),
    "router with a name that fits no header": (
        {"experts": {"a": REMOTE}, "routers": {"к\n": {"type": "random"}}},
        "routers.к",
    ),
    "composition with an unknown router": (
        {
            "experts": {"a": REMOTE},
            "routers": {"r": {"type": "random"}},
            "compositions": {"pool/auto": {"router": "q"}},
        },
        "compositions.pool/auto.router: no router is called `q` (known: r).",
    ),
    "unknown kind of router": (
        {"experts": {"a": REMOTE}, "routers": {"r": {"type": "magic"}}},
        "routers.r.type: there is no type `magic` (known: static, random, knn",
    ),
    "unknown key of a router": (
        {"experts": {"a": REMOTE}, "routers": {"r": {"type": "random", "sede": 1}}},
        "routers.r.sede: unknown key. Did you mean `seed`?",
    ),
    "router with an unknown expert": (
        {"experts": {"a": REMOTE}, "routers": {"r": {"type": "static", "expert": "b"}}},
        "routers.r.expert: no expert is called `b` (known: a).",
    ),
    "missing weights": (
        {"experts": {"a": {"type": "vllm", "model": "./nowhere"}}},
        "experts.a.model: there is no folder ",
    ),
    "adapter of nobody": (
        {"experts": {"a": {**HUB, "adapter_of": "b"}}},
        "experts.a.adapter_of: no expert is called `b`.",
    ),
    "adapter of a remote expert": (
        {"experts": {"a": {**HUB, "adapter_of": "b"}, "b": REMOTE}},
        "experts.a.adapter_of: `b` is of type openai; an adapter needs an expert of type vllm.",
    ),
    "adapter of an adapter": (
        {
            "experts": {
                "a": {**HUB, "adapter_of": "b"},
                "b": {**HUB, "adapter_of": "c"},
                "c": HUB,
            }
        },
        "experts.a.adapter_of: `b` is itself an adapter of `c`",
    ),
    "adapter with engine arguments": (
        {"experts": {"a": {**HUB, "adapter_of": "b", "engine_args": {"x": 1}}, "b": HUB}},
        "experts.a.engine_args: an adapter shares the engine of `b`",
    ),
    "missing environment variable": (
        {"experts": {"a": {**REMOTE, "api_key": "${env:COTERIE_TEST_NOT_SET}"}}},
        "experts.a.api_key: the environment variable COTERIE_TEST_NOT_SET is not set.",
    ),
    "not a mapping": ("- a\n- b\n", "pool.yaml must be a mapping with the key `experts`"),
    "empty": ("", "pool.yaml must be a mapping"),
    "not YAML": ("experts: [", "while parsing"),
    "duplicate key": ("experts: {a: {}, a: {}}", "the key 'a' appears twice"),
    "a list for a key": ("experts: {}\n? [a, b]\n: 1\n", ""),
    "a date that does not exist": ("experts: {a: {about: 2020-13-45}}", ""),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_path(write: Any, mistake: str) -> None:
    content, expected = MISTAKES[mistake]
    problems = problems_of(write(content))
    assert any(expected in problem for problem in problems), problems


def test_one_expert_may_be_asked_several_times(write: Any) -> None:
    """`experts` has a default above what a static router names, and is no mistake then."""
    load_config(
        write(
            {
                "experts": {"a": REMOTE},
                "routers": {"one": {"type": "static", "expert": "a"}},
                "compositions": {
                    "pool/own": {"router": "one", "aggregator": {"type": "vote", "samples": 5}}
                },
            }
        )
    )


def test_who_embeds_is_no_candidate(write: Any) -> None:
    config = load_config(write({"experts": {"a": REMOTE, "v": {**REMOTE, "task": "embed"}}}))
    assert list(config.answering) == ["a"]
    assert config.embedders == {"v": "m at http://127.0.0.1:1/v1"}
