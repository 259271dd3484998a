"""A task is a YAML file, or a file of questions alone."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.tasks.loading import MOST_PROBLEMS, load_task
from experts.errors import ConfigError


def bare(folder: Path, *answers: Any, name: str = "my questions.jsonl") -> Path:
    rows = [{"question": f"Question {n}?", "answer": answer} for n, answer in enumerate(answers)]
    file = folder / name
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def yaml_of(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("answers", "scorer"),
    [(("1", "2,000", -3.5), "number"), (("A", "B"), "choice"), (("1", "Lima"), "contains")],
)
def test_a_bare_file_is_a_task(tmp_path: Path, answers: tuple[Any, ...], scorer: str) -> None:
    task = load_task(bare(tmp_path, *answers))
    assert (task.name, task.spec.skill, task.spec.scorer) == (
        "my_questions",
        "my_questions",
        scorer,
    )
    assert [row.question for row in task.rows] == [f"Question {n}?" for n in range(len(answers))]
    assert all(row.id.startswith("my_questions/") for row in task.rows)
    assert {row.category for row in task.rows} == {"my_questions"}
    said = [(row, f"The answer is {row.answer}.") for row in task.rows]
    assert task.score_all(said) == [1.0] * len(answers)


def test_what_is_asked(tmp_path: Path) -> None:
    bare(tmp_path, "a", name="mine.jsonl")
    plain = load_task(yaml_of(tmp_path, "data: mine.jsonl"))
    assert plain.body(plain.rows[0]) == {
        "messages": [{"role": "user", "content": "Question 0?"}],
        "max_tokens": 512,
        "temperature": 0.0,
    }
    text = "data: mine.jsonl\nsystem: Be brief.\nstop: [END]\ntemperature: 0.5"
    told = load_task(yaml_of(tmp_path, text))
    assert told.body(told.rows[0]) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Question 0?"},
        ],
        "max_tokens": 512,
        "temperature": 0.5,
        "stop": ["END"],
    }


def test_a_file_extends_another(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    bare(tmp_path / "base", "a", name="mine.jsonl")
    yaml_of(tmp_path / "base", "data: mine.jsonl\nmax_tokens: 7\nname: base", "base.yaml")
    task = load_task(yaml_of(tmp_path, "extends: base/base.yaml\nscorer: exact", "more.yaml"))
    assert (task.name, task.spec.max_tokens, task.spec.scorer) == ("more", 7, "exact")
    assert len(task.rows) == 1
    zoo = load_task(yaml_of(tmp_path, "extends: arithmetic\nmax_tokens: 3", "sums.yaml"))
    assert (zoo.name, zoo.spec.max_tokens, zoo.spec.scorer) == ("sums", 3, "exact")
    yaml_of(tmp_path, "extends: two.yaml", "one.yaml")
    with pytest.raises(ConfigError, match=r"two\.yaml extends itself"):
        load_task(yaml_of(tmp_path, "extends: one.yaml", "two.yaml"))


SUBTASKS = """
data: "{subtask}.jsonl"
scorer: exact
subtasks:
  sums: {scorer: number}
  cities: {data: places, extract: {regex: "is (.+)"}}
"""


def test_subtasks_are_categories_with_rules_of_their_own(tmp_path: Path) -> None:
    bare(tmp_path, "1", "2", name="sums.jsonl")
    bare(tmp_path, "Lima", name="places.jsonl")
    file = yaml_of(tmp_path, SUBTASKS, "many.yaml")
    task = load_task(file)
    assert [row.category for row in task.rows] == ["sums", "sums", "cities"]
    said = ("It is 1.", "three", "It is Lima")
    assert task.score_all(list(zip(task.rows, said, strict=True))) == [1, 0, 1]
    part = load_task(file, "cities")
    assert (part.name, [row.answer for row in part.rows]) == ("many/cities", ["Lima"])
    assert part.rows[0].id == task.rows[2].id
    with pytest.raises(ConfigError, match=r"no subtask `city`\. Did you mean `cities`"):
        load_task(file, "city")


def test_the_digest_follows_what_is_asked_and_what_is_right(tmp_path: Path) -> None:
    bare(tmp_path, "1", "2", name="mine.jsonl")
    texts = {
        "data: mine.jsonl": True,
        "data: mine.jsonl\ndescription: other\nmax_tokens: 3": True,
        "data: mine.jsonl\nprompt: '{{ question }}!'": False,
        "data: mine.jsonl\nsystem: Hello": False,
        "data: mine.jsonl\nscorer: exact": False,
        "data: mine.jsonl\nextract: {regex: x}": False,
        "data: mine.jsonl\nfields: {tests: '{{ answer }}'}": False,
    }
    digests = {text: load_task(yaml_of(tmp_path, text)).digest for text in texts}
    first = digests["data: mine.jsonl"]
    assert {text: digest == first for text, digest in digests.items()} == texts
    bare(tmp_path, "1", "3", name="mine.jsonl")
    assert load_task(yaml_of(tmp_path, "data: mine.jsonl")).digest != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: mine.jsonl\ncolour: red", "colour: unknown key"),
        ("data: mine.jsonl\nscorer: exakt", "scorer: must be auto or one of"),
        (
            "data: mine.jsonl\nscorer: {name: exact, strict: true}",
            "strict: Extra inputs are not permitted",
        ),
        ("data: mine.jsonl\nscorer: {strict: true}", "scorer"),
        ("data: mine.jsonl\nname: a b", "name"),
        ("data: mine.jsonl\nfew_shot: {}", "few_shot: needs one of"),
        ("data: mine.jsonl\nsubtasks: {a: {}}", "needs `{subtask}` in the path"),
        ("data: mine.jsonl\nprobe_share: 2", "probe_share"),
        ("data: mine.jsonl\nsplit: {a: train}", "split"),
        ("data: mine.jsonl\nsplit: {a: test}", "there is no split column"),
        ("data: mine.jsonl\nprompt: '{{ qestion }}'", "no column `qestion`. Did you mean"),
        ("data: mine.jsonl\nextends: 3", "extends: must be a text"),
        ("data: mine.jsonl\nextends: nowhere.yaml", "nowhere.yaml cannot be read"),
        ("name: [1", "not YAML"),
        ("a: &a [*a]", "the alias `*a` stands inside what it names"),
    ],
)
def test_a_wrong_yaml_file_is_named_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    bare(tmp_path, "1", "2", name="mine.jsonl")
    with pytest.raises(ConfigError) as caught:
        load_task(yaml_of(tmp_path, text))
    assert said in " ".join((str(caught.value), *caught.value.problems))


def test_the_first_wrong_rows_are_named(tmp_path: Path) -> None:
    file = bare(tmp_path, *[None] * (MOST_PROBLEMS + 3), "a")
    with pytest.raises(ConfigError) as caught:
        load_task(file)
    assert str(file) in str(caught.value)
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert caught.value.problems[-1] == "and 3 more"


@pytest.mark.slow
def test_a_hundred_thousand_rows_load_in_seconds(tmp_path: Path) -> None:
    file = bare(tmp_path, *range(100_000))
    started = time.process_time()
    task = load_task(file)
    assert time.process_time() - started < 8
    assert abs(len(task.samples("probe")) - 50_000) < 1_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries(
    {"question": JSON, "answer": JSON}, optional={"id": JSON, "split": JSON}
)
ANYTHING = st.one_of(
    st.binary(),
    st.lists(st.one_of(ROWS, JSON), max_size=4).map(
        lambda rows: "\n".join(map(json.dumps, rows)).encode()
    ),
    st.lists(ROWS, max_size=4).map(lambda rows: json.dumps(rows).encode()),
    st.text('ab,"\n\r\t; \u2028', max_size=40).map(
        lambda text: b"question,answer\n" + text.encode()
    ),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    data=ANYTHING,
    ending=st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".parquet", ".csv.gz", ".yaml"]),
)
def test_any_file_is_a_task_or_a_clear_error(tmp_path: Path, data: bytes, ending: str) -> None:
    file = tmp_path / f"mine{ending}"
    file.write_bytes(data)
    try:
        task = load_task(file)
    except ConfigError:
        return
    assert len({row.id for row in task.rows}) == len(task.rows)
    assert all(row.question.strip() and row.answer.strip() for row in task.rows)
    probe = {row.question for row in task.samples("probe")}
    assert not probe & {row.question for row in task.samples("test")}
    assert task.digest == load_task(file).digest


LAUGHS = "0: &0 [x, x]\n" + "".join(f"{n}: &{n} [*{n - 1}, *{n - 1}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: q.jsonl\ndata: r.jsonl\n", "line 2, column 1: the key 'data' appears twice"),
        ("data: &a [*a]\n", "line 1, column 11: the alias `*a` stands inside what it names"),
        (
            LAUGHS,
            "the file has more than 100000 keys and values",
        ),
    ],
    ids=["twice", "itself", "large by aliases"],
)
def test_the_yaml_of_a_task_is_read_as_every_other(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_task(file)
    assert said in caught.value.problems[0]
