"""What differs between two configurations, in words that tell what follows from it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.difference.difference import LIVE_SERVER, difference
from orchestrator.config.model import Config

A = {"type": "vllm", "model": "org/a"}
REMOTE = {"type": "openai", "base_url": "http://r.test/v1", "model": "m"}
SECRETS = {
    "experts": {
        "a": A,
        "r": {**REMOTE, "base_url": "http://ann:SECRET@r.test/v1?key=SECRET", "api_key": "SECRET"},
        "own": {"type": "my.module:Engine", "password": "SECRET", "anything": "SECRET"},
        "v": {**A, "engine_args": {"hf_token": "SECRET"}},
    },
    "routers": {"own": {"type": "my.module:Router", "code": "SECRET"}},
    "server": {"api_keys": {"boss": {"key": "SECRET", "admin": True}}},
    "store": "redis://:SECRET@h.test:1/0",
    "traces": {
        "otlp": {"endpoint": "http://c.test/?t=SECRET", "headers": {"authorization": "SECRET"}}
    },
}


def config(**tree: Any) -> Config:
    return Config.model_validate({"experts": {"a": A}, **tree})


def lines(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return list(difference(config(**old), config(**new)).lines)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        (
            {"experts": {"a": A}},
            {"experts": {"a": {**A, "model": "org/b"}}},
            ["expert a: model org/a -> org/b (it drains, then it is loaded anew)"],
        ),
        (
            {"experts": {"a": A}},
            {"experts": {"a": {**A, "about": "adds", "pin": True}}},
            ["expert a: about  -> adds", "expert a: pin false -> true"],
        ),
        (
            {"experts": {"a": A}},
            {"experts": {"a": {**A, "defaults": {"temperature": 0.5}}}},
            ["expert a: defaults.temperature null -> 0.5"],
        ),
        (
            {"experts": {"a": A}},
            {"experts": {"a": A, "l": {**A, "adapter_of": "a"}}},
            [
                "expert l added (it is loaded)",
                "expert a: its engine is shared otherwise (l) (it drains, then it is loaded anew)",
            ],
        ),
        (
            {"experts": {"r": REMOTE}},
            {"experts": {"a": A, "r": REMOTE}},
            [
                "needs a restart: expert a added (it is loaded): a service without slots cannot"
                " host experts",
            ],
        ),
        ({"experts": {"a": A, "r": REMOTE}}, {"experts": {"a": A}}, ["expert r removed"]),
        (
            {"routers": {"x": {"type": "random"}}},
            {"routers": {"x": {"type": "random", "seed": 3}}},
            ["router x: seed is 3"],
        ),
        (
            {},
            {"classes": {"gold": {"max_wait_s": 1}}, "server": {"retries": 2, "port": 9}},
            [
                "class gold added",
                "server.retries 1 -> 2",
                "needs a restart: server.port 8000 -> 9",
            ],
        ),
        (
            {"server": {"limits": {"refresh_s": 1}}},
            {"feedback": {"remember": 5}},
            ["server.limits.refresh_s 1.0 -> 2.0", "feedback.remember 10000 -> 5"],
        ),
    ],
)
def test_each_change_is_a_line(
    old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    assert lines(old, new) == expected


@pytest.mark.parametrize("section", ["slots", "ray", "batches", "traces", "metrics"])
def test_what_is_read_once_needs_a_restart(section: str) -> None:
    values = {
        "slots": {"count": 2},
        "ray": {"address": "auto"},
        "batches": {"at_once": 2},
        "traces": {"sample": 0.5},
        "metrics": {"timeout_s": 9},
    }
    (change,) = difference(config(), config(**{section: values[section]})).changes
    assert change.restart
    assert change.path.startswith(section)


def test_a_file_with_another_content_is_a_change() -> None:
    args = {"engine_args": {"chat_template": "/t.jinja"}}
    same = config(experts={"a": {**A, **args}})
    before = {"routers.near.artifact": "1", "experts.a.engine_args.chat_template": "1"}
    after = {"routers.near.artifact": "2", "experts.a.engine_args.chat_template": "2", "new": "3"}
    found = difference(same, same, before, after)
    assert list(found.lines) == [
        "routers.near.artifact: the file has another content",
        "experts.a.engine_args.chat_template: the file has another content (it drains, then it is"
        " loaded anew)",
    ]
    assert found.renewed == {"a"}


def test_no_secret_is_shown_whatever_changes() -> None:
    secret, plain = config(**SECRETS), config()
    other = config(**json.loads(json.dumps(SECRETS).replace("SECRET", "OTHER")))
    for old, new in ((plain, secret), (secret, plain), (secret, other), (other, secret)):
        found = difference(old, new)
        assert found.changes
        shown = " ".join(found.lines)
        assert "SECRET" not in shown
        assert "OTHER" not in shown


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_body_mb": st.floats(0.1, 99),
            "retries": st.integers(0, 5),
            "comment_after_s": st.none() | st.floats(0.1, 9),
            "host": st.sampled_from(["::", "::1"]),
            "max_connections": st.integers(1, 9),
        },
    )
)
def test_what_is_live_is_told_from_what_is_not(server: dict[str, Any]) -> None:
    old, new = config(), config(server=server)
    found = difference(old, new)
    changed = {key for key, value in server.items() if value != getattr(old.server, key)}
    assert {change.path for change in found.changes} == {f"server.{key}" for key in changed}
    assert {change.path for change in found.restart} == {
        f"server.{key}" for key in changed - LIVE_SERVER
    }
    assert difference(new, new).changes == ()
