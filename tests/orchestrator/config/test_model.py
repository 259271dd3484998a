"""One file becomes one tree, or a list of mistakes with their paths."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from repository import ROOT

from experts.errors import ConfigError
from orchestrator.config.checks import missing_files
from orchestrator.config.model import Config, load_config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
HUB = {"type": "vllm", "model": "org/model"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a configuration: a tree, or the text as it is."""

    def write_file(content: Any) -> Path:
        path = tmp_path / "pool.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder that looks like a checkpoint."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "adapter_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def _problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems or (str(caught.value),)


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


@pytest.mark.parametrize("model", ["./weights", "weights", "../{folder}/weights", "{path}"])
def test_model_paths_start_at_the_file(write: Any, weights: Path, model: str) -> None:
    name = model.format(folder=weights.parent.name, path=weights)
    config = load_config(write({"experts": {"near": {"type": "vllm", "model": name}}}))
    assert config.hosted()["near"].model == str(weights.resolve())


def test_a_hub_id_stays_as_it_is(write: Any) -> None:
    config = load_config(write({"experts": {"hub": HUB}}))
    assert config.hosted()["hub"].model == "org/model"


def test_the_model_of_a_remote_expert_is_no_path(write: Any, weights: Path) -> None:
    config = load_config(write({"experts": {"far": {**REMOTE, "model": "./weights"}}}))
    assert config.experts["far"].model == "./weights"  # type: ignore[union-attr]


def test_router_files_start_at_the_file(write: Any, tmp_path: Path) -> None:
    path = write(
        {"experts": {"far": REMOTE}, "routers": {"k": {"type": "knn", "outcomes": "o.parquet"}}}
    )
    assert load_config(path).routers["k"]["outcomes"] == str((tmp_path / "o.parquet").resolve())


def test_artifacts_lie_beside_the_file(write: Any, tmp_path: Path) -> None:
    settings = {"type": "mixture_of_thoughts", "expert": "far", "artifact": "thoughts/router.npz"}
    path = write({"experts": {"far": REMOTE}, "routers": {"t": settings}})
    routers = load_config(path).routers
    assert routers["t"]["artifact"] == str((tmp_path / "thoughts" / "router.npz").resolve())
    (problem,) = missing_files(routers)
    assert problem.startswith("routers.t.artifact: there is no file")
    assert problem.endswith("`coterie fuse mixture-of-thoughts` writes it.")


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
    assert not any("s3cret" in problem for problem in _problems(path))


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
        "xyz: unknown key. Known keys: aggregators, classes, compositions, experts, feedback, ray",
    ),
    "unknown key, called like a kind": (
        {"experts": {"a": {**REMOTE, "openai": {}}}},
        "experts.a.openai: unknown key.",
    ),
    "missing key": (
        {"experts": {"a": {"type": "vllm"}}},
        "experts.a.model: this key is required.",
    ),
    "missing experts": ({"version": 1}, "experts: this key is required."),
    "no expert": ({"experts": {}}, "experts: "),
    "wrong type": (
        {"experts": {"a": REMOTE}, "server": {"port": "many"}},
        "server.port: input should be a valid integer",
    ),
    "out of range": (
        {"experts": {"a": REMOTE}, "server": {"port": 70000}},
        "server.port: input should be less than or equal to 65535",
    ),
    "not an URL": (
        {"experts": {"a": {**REMOTE, "base_url": "far.test"}}},
        "experts.a.base_url: value error, must start with http:// or https://",
    ),
    "unknown kind": (
        {"experts": {"a": {"type": "vlm", "model": "m"}}},
        "experts.a.type: must be one of 'vllm', 'torch', 'openai'",
    ),
    "no kind": ({"experts": {"a": {"model": "m"}}}, "experts.a.type: must be one of vllm, openai"),
    "an expert that is no mapping": ({"experts": {"a": 3}}, "experts.a: "),
    "expert with a bad name": ({"experts": {"a b": REMOTE}}, "experts.a b: the name must match"),
    "expert with a number for a name": ({"experts": {1: {**REMOTE, "x": 1}}}, "experts.1: "),
    "composition with a bad name": (
        {"experts": {"a": REMOTE}, "compositions": {"auto": {"router": "r"}}},
        "compositions.auto: the name must match",
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
        "compositions.pool/auto.load_price: input should be greater than or equal to 0.",
    ),
    "unknown key of a class": (
        {"experts": {"a": REMOTE}, "classes": {"slow": {"max_wait": 3}}},
        "classes.slow.max_wait: unknown key. Did you mean `max_wait_s`?",
    ),
    "class without its bound": (
        {"experts": {"a": REMOTE}, "classes": {"slow": {}}},
        "classes.slow.max_wait_s: this key is required.",
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
        "server.api_keys.me.key: value error, must be visible ASCII letters",
    ),
    "API key of two names": (
        {"experts": {"a": REMOTE}, "server": {"api_keys": {n: {"key": "k"} for n in "xy"}}},
        "server.api_keys.y.key: `x` has the same key.",
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
        "routers.r.sede: unknown key (known: type, seed).",
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
        "experts.a.adapter_of: `b` is not a vllm expert with own weights.",
    ),
    "adapter of an adapter": (
        {
            "experts": {
                "a": {**HUB, "adapter_of": "b"},
                "b": {**HUB, "adapter_of": "c"},
                "c": HUB,
            }
        },
        "experts.a.adapter_of: `b` is not a vllm expert with own weights.",
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
    problems = _problems(write(content))
    assert any(expected in problem for problem in problems), problems


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    assert _problems(tmp_path / "no.yaml") == (f"{tmp_path}/no.yaml: No such file or directory.",)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert "Is a directory" in _problems(tmp_path)[0]


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_bytes("experts: {é: {}}".encode("latin-1"))
    assert "pool.yaml" in _problems(path)[0]


@pytest.mark.parametrize(
    ("missing", "adapter", "said"),
    [
        ("config.json", False, "has no config.json"),
        ("adapter_config.json", True, "has no adapter_config.json"),
        ("model.safetensors", False, "has no weights"),
    ],
)
def test_what_a_checkpoint_lacks_is_named(
    write: Any, weights: Path, missing: str, adapter: bool, said: str
) -> None:
    (weights / missing).unlink()
    expert = {"type": "vllm", "model": "./weights", **({"adapter_of": "b"} if adapter else {})}
    (problem,) = _problems(write({"experts": {"a": expert, "b": HUB}}))
    assert problem.startswith("experts.a.model: ")
    assert said in problem


def test_a_checkpoint_whose_config_is_not_json_is_named(write: Any, weights: Path) -> None:
    (weights / "config.json").write_text("{")
    (problem,) = _problems(write({"experts": {"a": {"type": "vllm", "model": "./weights"}}}))
    assert "is not JSON" in problem


def test_several_mistakes_are_all_listed(write: Any) -> None:
    problems = _problems(
        write({"experts": {"a": {**REMOTE, "x": 1}, "b": {"type": "?"}}, "server": {"port": "p"}})
    )
    assert [problem.partition(": ")[0] for problem in problems] == [
        "experts.a.x",
        "experts.b.type",
        "server.port",
    ]


def test_several_mistakes_between_keys_are_all_listed(write: Any) -> None:
    problems = _problems(
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
    problems = _problems(
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


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_the_schema_refuses_an_unknown_key() -> None:
    tree = {"experts": {"a": {**REMOTE, "modle": 1}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, Config.model_json_schema())


def test_an_expert_that_no_slot_can_hold_is_refused(write: Any, weights: Path) -> None:
    path = write(
        {
            "experts": {"big": {"type": "vllm", "model": str(weights), "memory_gb": 9}},
            "slots": {"memory_gb": 8},
        }
    )
    assert _problems(path) == (
        "experts.big.memory_gb: 9.00 GB do not fit into a slot of 8 GB (slots.memory_gb).",
    )


def test_an_expert_whose_weights_no_slot_can_hold_is_refused(write: Any, weights: Path) -> None:
    with (weights / "more.safetensors").open("wb") as file:
        file.truncate(2 << 30)  # A hole: it takes no room on the disk.
    path = write(
        {"experts": {"big": {"type": "vllm", "model": str(weights)}}, "slots": {"memory_gb": 1}}
    )
    assert "experts.big.memory_gb: 2.00 GB do not fit" in _problems(path)[0]


def test_a_pinned_expert_with_an_idle_limit_is_refused(write: Any, weights: Path) -> None:
    spec = {"type": "vllm", "model": str(weights), "pin": True, "max_idle_s": 5}
    problems = _problems(write({"experts": {"a": spec}}))
    assert "experts.a.max_idle_s: a pinned expert never leaves" in problems[0]
