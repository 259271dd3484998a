"""One file becomes one tree, or a list of mistakes with their paths."""

from pathlib import Path
from typing import Any

import pytest
from config_files import HUB, REMOTE, problems_of
from repository import ROOT

from experts.errors import ConfigError
from orchestrator.config.model import load_config


def test_a_small_file_becomes_a_tree(write: Any, weights: Path) -> None:
    path = write(
        {
            "experts": {"far": REMOTE, "near": {"type": "vllm", "model": "./weights"}},
            "routers": {"one": {"type": "static", "expert": "far"}},
            "compositions": {"pool/auto": {"router": "one"}},
            "server": {"port": 0},
        }
    )
    config = load_config(path)
    assert list(config.experts) == ["far", "near"]
    assert list(config.hosted()) == ["near"]
    assert config.compositions["pool/auto"].router == "one"
    assert config.server.port == 0


def test_the_tree_is_frozen(write: Any) -> None:
    config = load_config(write({"experts": {"far": REMOTE}}))
    with pytest.raises(ValueError, match="frozen"):
        config.server.port = 1  # type: ignore[misc]


def test_environment_variables_are_filled_in(write: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COTERIE_TEST_KEY", "secret")
    config = load_config(
        write({"experts": {"far": {**REMOTE, "api_key": "${env:COTERIE_TEST_KEY}"}}})
    )
    assert config.experts["far"].api_key == "secret"  # type: ignore[union-attr]


def test_the_key_of_a_remote_expert_is_not_shown(write: Any) -> None:
    config = load_config(write({"experts": {"far": {**REMOTE, "api_key": "secret"}}}))
    assert "secret" not in repr(config)


@pytest.mark.parametrize("key", ["s3cret-key", "s3cret key"])
def test_an_api_key_of_ours_is_shown_nowhere(write: Any, key: str) -> None:
    keys = {name: {"key": key, "class": "x"} for name in ("one", "two")}
    path = write({"experts": {"far": REMOTE}, "server": {"api_keys": keys}})
    assert not any("s3cret" in problem for problem in problems_of(path))


def test_the_api_keys_are_not_in_the_trees_text(write: Any) -> None:
    path = write({"experts": {"far": REMOTE}, "server": {"api_keys": {"me": {"key": "s3cret"}}}})
    config = load_config(path)
    assert config.server.api_keys["me"].key == "s3cret"
    assert "s3cret" not in f"{config!r} {config}"


def test_classes_of_the_file_stand_beside_ours(write: Any) -> None:
    classes = {"interactive": {"max_wait_s": 3}, "slow": {"max_wait_s": None}}
    config = load_config(write({"experts": {"far": REMOTE}, "classes": classes}))
    bounds = {name: bound.max_wait_s for name, bound in config.classes.items()}
    assert bounds == {"interactive": 3.0, "batch": None, "slow": None}


def test_without_classes_there_are_two(write: Any) -> None:
    config = load_config(write({"experts": {"far": REMOTE}}))
    bounds = {name: bound.max_wait_s for name, bound in config.classes.items()}
    assert bounds == {"interactive": 10.0, "batch": None}


def test_equal_parts_may_be_shared_with_anchors(write: Any) -> None:
    path = write(
        """
        experts:
          one: &base {type: openai, base_url: "http://127.0.0.1:1/v1", model: m}
          two: {<<: *base, model: n}
        """
    )
    assert load_config(path).experts["two"].model == "n"  # type: ignore[union-attr]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "no.yaml")
    assert problem.startswith(f"{tmp_path}/no.yaml: there is no such file. ")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert "Is a directory" in problems_of(tmp_path)[0]


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_bytes("experts: {é: {}}".encode("latin-1"))
    assert "pool.yaml" in problems_of(path)[0]


def test_several_mistakes_are_all_listed(write: Any) -> None:
    problems = problems_of(
        write({"experts": {"a": {**REMOTE, "x": 1}, "b": {"type": "?"}}, "server": {"port": "p"}})
    )
    assert [problem.partition(": ")[0] for problem in problems] == [
        "experts.a.x",
        "experts.b.type",
        "server.port",
    ]


def test_several_mistakes_between_keys_are_all_listed(write: Any) -> None:
    problems = problems_of(
        write(
            {
                "experts": {"a": {**HUB, "adapter_of": "b"}},
                "routers": {"r": {"type": "static", "expert": "c"}},
                "compositions": {"pool/auto": {"router": "q"}},
            }
        )
    )
    assert [problem.partition(": ")[0] for problem in problems] == [
        "experts.a.adapter_of",
        "compositions.pool/auto.router",
        "routers.r.expert",
    ]


def test_a_mistake_in_a_key_does_not_hide_one_between_keys(write: Any) -> None:
    problems = problems_of(
        write({"experts": {"a": {"type": "vllm", "model": "./nowhere"}}, "server": {"port": "p"}})
    )
    assert {problem.partition(": ")[0] for problem in problems} == {
        "experts.a.model",
        "server.port",
    }


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_examples_are_right(path: Path) -> None:
    try:
        load_config(path)
    except ConfigError as error:
        absent = [p for p in error.problems if "there is no folder" in p]
        if len(absent) == len(error.problems) > 0:
            pytest.skip("its weights are not here")
        raise


def test_a_variable_that_is_not_set_is_told_once(write: Any) -> None:
    key = {"key": "${env:COTERIE_TEST_NOT_SET}"}
    path = write({"experts": {"a": REMOTE}, "server": {"api_keys": {"me": key}}})
    assert problems_of(path) == (
        "server.api_keys.me.key: the environment variable COTERIE_TEST_NOT_SET is not set.",
    )


def test_a_null_character_is_named(write: Any) -> None:
    path = write({"experts": {"a": REMOTE}, "traces": {"file": "a\0b"}})
    assert problems_of(path) == ("traces.file: must not hold a null character.",)
