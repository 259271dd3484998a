"""Training data are read, refused with file and line, tokenized and put in order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError
from experts.fused.training.batches import Order, collate
from experts.fused.training.encoding import Encoder, Row
from experts.fused.training.questions import MOST_SHOWN, Pair, Question, read_lines
from experts.zoo.tokenizer import SHARED, build
from routers.fusion_route.data import load_data
from routers.fusion_route.training_config import TrainingConfig, read_config

BAD_QUESTIONS = """\
{"prompt": "What is 1 + 1?", "answer": "2", "source": "other keys are left alone"}
{"prompt": "What is 1 + 1?"}

{"prompt": "a", "messages": [{"role": "user", "content": "a"}], "answer": "b"}
not JSON
{"answer": "b"}
{"messages": [{"role": "robot", "content": "a"}], "answer": "b"}
{"messages": [], "answer": "b"}
"""


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return build(SHARED)


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(BAD_QUESTIONS, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_lines([path], Question, 100)
    found = [problem.removeprefix(f"{path}:").split(":")[0] for problem in caught.value.problems]
    assert found == ["2", "4", "5", "6", "7", "8"]
    assert "answer" in caught.value.problems[0]
    assert "mend or delete these lines" in caught.value.hint


def test_bad_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"prompt": "a", "chosen": "b", "rejected": "b"}\n{"prompt": "a", "chosen": "b"}\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        read_lines([path], Pair, 100)
    assert "nothing to prefer" in caught.value.problems[0]
    assert caught.value.problems[1].startswith(f"{path}:2: rejected")


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n" * (MOST_SHOWN + 7), encoding="utf-8")
    with pytest.raises(ConfigError, match="have 57 mistakes") as caught:
        read_lines([path], Question, 1000)
    assert len(caught.value.problems) == MOST_SHOWN + 1
    assert caught.value.problems[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\n", "no rows"), (b"\xff\xfe{}", "UTF-8"), (b"{}", "mistakes")],
)
def test_unusable_files(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        read_lines([path], Question, 100)


def test_too_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "answer": "b"}\n' * 3, encoding="utf-8")
    assert len(read_lines([path], Question, 3)) == 3
    with pytest.raises(ConfigError, match="most_rows"):
        read_lines([path], Question, 2)


def test_rows_follow_the_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    plain = Question(prompt="What is 1 + 1?", answer="2")
    turns = Question.model_validate(
        {"messages": [{"role": "user", "content": "What is 1 + 1?"}], "answer": "2"}
    )
    encoder = Encoder(tokenizer, 64)
    first, second = encoder.rows([plain, turns], ["2", "2"])
    assert first == second
    assert tokenizer.decode(first.tokens) == "<|bos|><|user|>What is 1 + 1?<|assistant|>2<|eos|>"
    assert tokenizer.decode(first.tokens[first.prompt :]) == "2<|eos|>"
    assert first.answer == 2


def test_a_template_without_bos_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    other = build(SHARED)
    other.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(ConfigError, match="does not begin with the bos token"):
        Encoder(other, 64)


def test_long_rows_are_refused_or_counted(
    tiny_run: TrainingConfig, tokenizer: PreTrainedTokenizerBase
) -> None:
    told: list[str] = []
    # Rows have 13 or 14 tokens, those about 10 and 11 one or two more.
    with pytest.raises(ConfigError, match=r"questions: 2 of 12 rows .* 14 tokens") as caught:
        load_data(tiny_run, tokenizer, 14, told.append)
    assert "too_long: skip" in caught.value.hint
    skipping = tiny_run.model_copy(
        update={"too_long": "skip", "mixed": tiny_run.mixed.model_copy(update={"pairs": 0})}
    )
    data = load_data(skipping, tokenizer, 14, told.append)
    assert len(data.questions) == 10
    assert told == ["questions: 2 of 12 rows have more than 14 tokens and are left out"]
    with pytest.raises(ConfigError, match="12 of 12 rows"):
        load_data(skipping, tokenizer, 5, told.append)


def test_collate_marks_the_answers() -> None:
    batch = collate([Row((1, 5, 6, 7, 2), 3), Row((1, 8, 2), 2)])
    assert batch.tokens.tolist() == [[1, 5, 6, 7, 2], [1, 8, 2, 0, 0]]
    assert batch.positions.tolist() == [[False, False, True, True], [False, True, False, False]]
    assert batch.targets.tolist() == [7, 2, 2]
    assert batch.row.tolist() == [0, 0, 1]
    assert torch.equal(batch.tokens[:, 1:][batch.positions], batch.targets)


@pytest.mark.parametrize("window", [1, 3])
def test_an_epoch_visits_every_row_once(window: int) -> None:
    lengths = [index * 7 % 20 for index in range(20)]
    order = Order(lengths, 4, window, "a")
    epoch = [order.rows(step) for step in range(5)]
    assert Counter(row for rows in epoch for row in rows) == Counter(range(20))
    assert [order.rows(step) for step in range(5, 10)] != epoch
    again = Order(lengths, 4, window, "a")
    # Whatever was asked for before, a step's rows are the same.
    assert [again.rows(step) for step in (7, 2)] == [order.rows(7), epoch[2]]
    assert [Order(lengths, 4, window, "b").rows(step) for step in range(5)] != epoch
    assert len(Order(lengths, 50, window, "a").rows(3)) == 20


def test_sorted_batches_hold_rows_of_one_length() -> None:
    order = Order([index % 5 for index in range(20)], 4, 5, "a")
    assert all(len({row % 5 for row in order.rows(step)}) == 1 for step in range(5))


def config_with(tmp_path: Path, **changes: Any) -> Path:
    tree = {"members": {"a": "a"}, "router": "b", "questions": ["c"], "sft": {"steps": 1}}
    path = tmp_path / "run.yaml"
    path.write_text(str({**tree, **changes}).replace("'", '"'), encoding="utf-8")
    return path


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    config = read_config(config_with(tmp_path, preferences=["../d"]))
    assert config.members["a"] == tmp_path / "a"
    assert config.router == tmp_path / "b"
    assert config.questions == (tmp_path / "c",)
    assert config.preferences == (tmp_path / "../d",)


def test_every_mistake_in_the_file_is_named(tmp_path: Path) -> None:
    path = config_with(tmp_path, sft={"steps": -1, "batches": 3}, seed="x")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "sft.steps",
        "sft.batches",
        "seed",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mixed": {"steps": 5, "pairs": 4}}, "own_mistakes"),
        ({"sft": {"steps": 5, "pairs": 4}}, "sft.pairs"),
        ({"sft": {"steps": 5, "own_mistakes": 4}}, "sft.own_mistakes"),
        ({"sft": {"steps": 0}}, "nothing to train"),
    ],
)
def test_keys_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(config_with(tmp_path, **changes))
    assert reason in caught.value.problems[0]


def test_a_file_that_is_missing_or_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_config(tmp_path / "bad.yaml")
