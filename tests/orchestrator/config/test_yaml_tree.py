"""A YAML file as a tree: its mistakes with line and column, and no line quoted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from orchestrator.config.model import load_config
from orchestrator.config.yaml_tree import fill_environment, put, read_otherwise, read_tree

KEYS = st.text("abx-", min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2, column 11: the key 'c' appears twice; keep one."),
        (
            "a: 1\n? [b, c]\n: 1\n",
            "line 2, column 3: a key must be a name, not a list or a mapping.",
        ),
        ("a: 2020-13-45\n", "line 1, column 4: month must be in 1..12; put a text into quotes."),
        ("a: !!python/name:os.system\n", "line 1, column 4: could not determine a constructor"),
    ],
)
def test_a_mistake_has_its_line_and_column(
    write: Callable[[Any], Path], text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match="is not YAML") as caught:
        read_tree(write(text))
    (problem,) = caught.value.problems
    assert problem.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "key: s3cret: more\n",
        "store: redis://:s3cret@h/0: x\n",
        "key: [s3cret\nother: 1\n",
        "key: 's3cret\n",
        "key: s3cret\n  more\n other: x\n",
    ],
)
def test_no_line_of_the_file_is_quoted(write: Callable[[Any], Path], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_tree(write(text))
    error: BaseException | None = caught.value
    assert "s3cret" not in str(error) + "".join(caught.value.problems)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_every_variable_that_is_not_set_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_TEST_SET", "value")
    problems: list[str] = []
    tree = {"a": ["${env:COTERIE_TEST_SET}", "x${env:COTERIE_TEST_NOT_SET}y"], "b": {1: 2}}
    filled = fill_environment(tree, problems)
    assert filled == {"a": ["value", "xy"], "b": {1: 2}}
    assert problems == ["a.1: the environment variable COTERIE_TEST_NOT_SET is not set."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s: &s {type: strategy, panel: *s}\n", "the alias `*s` stands inside what it names."),
        ("s: &s [[*s]]\n", "the alias `*s` stands inside what it names."),
        ("a: " + "[" * 3000 + "]" * 3000, "more than 64 mappings and lists stand inside each"),
        (
            "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
            "more than 64 mappings and lists stand inside each",
        ),
        (
            "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "the file has more than 100000 keys and values",
        ),
    ],
    ids=["itself", "itself inside lists", "deep", "deep by an alias", "large by aliases"],
)
def test_a_tree_that_is_endless_too_deep_or_too_large_is_refused(
    write: Callable[[Any], Path], text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=r"is (too large|endless)") as caught:
        read_tree(write(text))
    (problem,) = caught.value.problems
    assert said in problem
    assert ("is endless" in str(caught.value)) is ("inside what it names" in said)
    assert problem.startswith("line ")


def test_aliases_and_merges_within_the_bounds_are_read(write: Callable[[Any], Path]) -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, " + "[" * 60 + "]" * 60 + "]\n"
    tree = read_tree(write(text))
    assert tree["b"] == {"x": 1, "y": 2}
    assert tree["c"][0] == {"x": 1}


def test_keys_for_anchors_are_left_out(write: Callable[[Any], Path]) -> None:
    text = "x-far: &far {type: openai}\nx-: 1\nexperts:\n  a: {<<: *far, x-b: 1}\nxa: 2\n"
    assert read_tree(write(text)) == {"experts": {"a": {"type": "openai", "x-b": 1}}, "xa": 2}


TREES = st.recursive(
    st.sampled_from(["${env:COTERIE_N}", "${env:COTERIE_T}", "a${env:COTERIE_N}", 1, "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_whole_variables_are_found_and_put_where_they_stand(
    monkeypatch: pytest.MonkeyPatch, tree: Any
) -> None:
    monkeypatch.setenv("COTERIE_N", "1.5")
    monkeypatch.setenv("COTERIE_T", "text")
    filled = {"top": fill_environment(tree, [])}
    for place, value in read_otherwise({"top": tree}).items():
        assert value == 1.5
        put(filled, place, value)
    swapped = json.dumps({"top": tree}).replace('"${env:COTERIE_N}"', "1.5")
    assert filled == fill_environment(json.loads(swapped), [])


@pytest.mark.parametrize("text", ["${env:HOME", "${env:}", "a${env:1X}b", "${env:NOT SET}"])
def test_a_reference_that_is_not_complete_is_named(text: str) -> None:
    problems: list[str] = []
    fill_environment({"a": {"b": text}}, problems)
    assert problems == ["a.b: `${env:` must be followed by a variable's name and `}`."]


def test_a_file_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file") as caught:
        read_tree(tmp_path / "zoo.yaml")
    assert "--config FILE" in caught.value.hint


@pytest.mark.parametrize("name", ["no", "Off", "yes", "null", "~", "TRUE"])
def test_a_name_that_yaml_misreads_is_shown_as_it_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pool.yaml"
    expert = "{type: openai, base_url: 'http://127.0.0.1:9/v1', model: m}"
    path.write_text(f"experts:\n  a: {expert}\n  {name}: {expert}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    (problem,) = refused.value.problems
    assert problem.startswith(f"experts.{name}: the name must be a text")
    assert "put it in quotes" in problem


def test_two_names_that_mean_the_same_to_yaml_are_told_so(write: Callable[[Any], Path]) -> None:
    with pytest.raises(ConfigError) as refused:
        read_tree(write("a: {no: 1, Off: 2}"))
    (problem,) = refused.value.problems
    assert problem.startswith("line 1, column 12:")
    assert "the key Off means the same as an earlier one" in problem


def test_misread_keys_stay_through_merges(write: Callable[[Any], Path]) -> None:
    tree = read_tree(write("x-one: &one {no: 1}\na: {<<: *one, b: 2}"))
    assert {str(key): value for key, value in tree["a"].items()} == {"no": 1, "b": 2}
