"""A value from the environment is what its key takes, as if it stood in the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import REMOTE

from experts.errors import ConfigError
from orchestrator.config.model import load_config

VARIABLE = "COTERIE_TEST_VALUE"
REFERENCE = f"${{env:{VARIABLE}}}"
HOSTED = {"type": "vllm", "model": "org/hosted"}
BASE: dict[str, Any] = {
    "experts": {"far": REMOTE, "hosted": HOSTED},
    "routers": {"near": {"type": "static", "expert": "far"}},
    "aggregators": {"some": {"type": "vote"}},
    "compositions": {"pool/auto": {"router": "near"}},
}
PLACES = [
    (("server", "port"), "8123", 8123),
    (("server", "max_body_mb"), "0.5", 0.5),
    (("server", "comment_after_s"), "null", None),
    (("server", "host"), "0.0.0.0", "0.0.0.0"),  # noqa: S104 (nothing listens)
    (("server", "host"), "127", "127"),
    (("server", "api_keys", "me", "key"), "0123", "0123"),
    (("server", "api_keys", "me", "key"), "true", "true"),
    (("server", "api_keys", "me", "admin"), "true", True),
    (("server", "api_keys", "me", "admin"), "off", False),
    (("slots", "sleep_level"), "1", 1),
    (("slots", "offline"), "false", False),
    (("slots", "offline"), "auto", "auto"),
    (("slots", "engine_args", "enforce_eager"), "true", True),
    (("experts", "hosted", "engine_args", "enforce_eager"), "false", False),
    (("version",), "1", 1),
    (("classes", "slow", "max_wait_s"), "~", None),
    (("classes", "slow", "max_wait_s"), "60", 60.0),
    (("compositions", "pool/auto", "quality_weight"), "0.25", 0.25),
    (("traces", "file"), "1", "1"),
]


def _with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(yaml.safe_dump(BASE))
    inner = tree
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    if "api_keys" in path:
        inner.setdefault("key", "k")
    return tree


@pytest.mark.parametrize(("path", "text", "meant"), PLACES)
def test_a_variable_has_the_type_of_its_key(
    write: Callable[[Any], Path],
    monkeypatch: pytest.MonkeyPatch,
    path: tuple[str, ...],
    text: str,
    meant: Any,
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    told = load_config(write(_with(path, REFERENCE)))
    assert told == load_config(write(_with(path, meant)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("server", "port"), "s3cret"),
        (("server", "port"), "1.5"),
        (("server", "api_keys", "me", "admin"), "2"),
        (("slots", "sleep_level"), "3"),
        (("slots", "engine_args", "enforce_eager"), "s3cret"),
        (("compositions", "pool/auto", "quality_weight"), "null"),
    ],
)
def test_what_its_key_does_not_take_is_named_and_not_shown(
    write: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], text: str
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError) as caught:
        load_config(write(_with(path, REFERENCE)))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{'.'.join(path)}: must be ")
    assert problem.endswith(f"; the environment variable {VARIABLE} has another value.")
    assert "s3cret" not in problem
    assert "quotes" not in problem


@pytest.mark.parametrize(
    "path", [("server", "api_keys", "me", "key"), ("server", "port"), ("slots", "sleep_level")]
)
def test_a_variable_that_is_empty_is_named(
    write: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ConfigError) as caught:
        load_config(write(_with(path, REFERENCE)))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{'.'.join(path)}: ")
    assert problem.endswith(f"; the environment variable {VARIABLE} is empty.")
    assert "quotes" not in problem


def test_anchors_have_a_place(write: Callable[[Any], Path]) -> None:
    """What stands there is not looked at: a variable need not be set."""
    text = (
        f'x-far: &far {{type: openai, base_url: "http://127.0.0.1:1/v1"}}\nx-note: {REFERENCE}\n'
        "experts:\n  a: {<<: *far, model: a}\n  b: {<<: *far, model: b}\n"
    )
    config = load_config(write(text))
    assert {name: spec.model for name, spec in config.experts.items()} == {"a": "a", "b": "b"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["no", "on", "off", "yes", "1", "1.5", "null", "2020-01-01"])
@pytest.mark.parametrize("section", ["experts", "routers", "compositions", "classes"])
def test_a_name_that_yaml_reads_as_something_else_must_be_quoted(
    write: Callable[[Any], Path], section: str, name: str
) -> None:
    expert = "{type: openai, base_url: 'http://127.0.0.1:1/v1', model: m}"
    text = f"experts:\n  a: {expert}\n"
    keys = expert if section == "experts" else "{}"
    text += f"  {name}: {keys}\n" if section == "experts" else f"{section}:\n  {name}: {keys}\n"
    with pytest.raises(ConfigError) as caught:
        load_config(write(text))
    assert any(
        problem.startswith(f"{section}.") and "put it in quotes" in problem
        for problem in caught.value.problems
    )
