"""Mistakes in API keys, each with its place; and that no message shows a key."""

from __future__ import annotations

from typing import Any

import pytest

from experts.errors import ConfigError
from orchestrator.config.keys.section import hash_of
from orchestrator.config.model import load_config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
HASH = hash_of(b"sk-secret")


def loaded(write: Any, **keys: Any) -> Any:
    return load_config(write({"experts": {"far": REMOTE}, "server": {"api_keys": keys}}))


def test_a_hash_in_place_of_a_key(write: Any) -> None:
    config = loaded(write, ann={"hash": HASH}, bob={"key": "sk-bob"})
    assert config.server.api_keys["ann"].digest == HASH
    assert config.server.api_keys["bob"].digest == hash_of(b"sk-bob")
    assert HASH not in repr(config)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "server.api_keys.ann: needs either `key` or `hash`."),
        ({"key": "sk-secret", "hash": HASH}, "server.api_keys.ann: needs either `key` or `hash`."),
        ({"key": "sk-secret x"}, "server.api_keys.ann.key: must be one or more visible ASCII"),
        ({"hash": "sk-secret"}, "server.api_keys.ann.hash: must be `sha256:` and 64 hexadecimal"),
        ({"hash": HASH.upper()}, "server.api_keys.ann.hash: must be `sha256:` and 64 hexadecimal"),
        ({"hash": HASH[:-1]}, "server.api_keys.ann.hash: must be `sha256:` and 64 hexadecimal"),
        ({"tokens_per_minute": 0}, "server.api_keys.ann.tokens_per_minute: must be greater than"),
        ({"requests_per_minute": -1}, "server.api_keys.ann.requests_per_minute: must be greater"),
        ({"tokens_per_day": 1.5}, "server.api_keys.ann.tokens_per_day: must be a whole number"),
        ({"max_in_flight": True}, "server.api_keys.ann.max_in_flight: must be a number, not true"),
        ({"price_per_day": 0}, "server.api_keys.ann.price_per_day: must be greater than 0."),
        ({"token_per_day": 5}, "server.api_keys.ann.token_per_day: unknown key. Did you mean"),
        ({"models": []}, "server.api_keys.ann.models: must "),
        ({"models": ["a b"]}, "server.api_keys.ann.models: must be names of models, or patterns"),
        ({"models": ["fr"]}, "server.api_keys.ann.models: no model is called `fr` (known: far)."),
    ],
)
def test_mistakes(write: Any, keys: Any, problem: str) -> None:
    given = keys if {"key", "hash"} & keys.keys() or not keys else {"key": "sk-secret", **keys}
    with pytest.raises(ConfigError) as caught:
        loaded(write, ann=given)
    (found,) = caught.value.problems
    assert found.startswith(problem)
    assert "secret" not in found
    assert HASH not in found


def test_a_key_and_the_hash_of_it_are_the_same(write: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(write, ann={"key": "sk-secret"}, bob={"hash": HASH})
    (found,) = caught.value.problems
    assert found == "server.api_keys.bob.hash: `ann` has the same key; give each its own."


def test_models_that_may_come_need_not_be_there(write: Any) -> None:
    models = ["far", "pool/*", "law-*", "coterie/embed", "pool/knn+vote"]
    assert loaded(write, ann={"key": "k", "models": models}).server.api_keys["ann"].models == models
