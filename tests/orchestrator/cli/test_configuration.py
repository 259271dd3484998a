"""What `coterie validate` says of experts that are right, but lack something."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import write_checkpoint

from orchestrator.cli.configuration import validate


def said_of(folder: Path, capsys: pytest.CaptureFixture[str], **keys: Any) -> str:
    """What is said of a pool of the model in `folder / "model"`."""
    expert = {"type": "vllm", "model": "./model", **keys}
    file = folder / "pool.yaml"
    file.write_text(yaml.safe_dump({"experts": {"a": expert}, "slots": {"gpus": 0}}))
    validate(file)
    return capsys.readouterr().out


WORDS = "has no chat template, so it answers /v1/completions alone"


def test_a_model_without_a_chat_template_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "model")
    said = said_of(tmp_path, capsys)
    assert WORDS in said
    assert "experts.a.engine_args.chat_template names a Jinja file" in said


@pytest.mark.parametrize(
    ("file", "text"),
    [("chat_template.jinja", "x"), ("tokenizer_config.json", '{"chat_template": "x"}')],
)
def test_where_a_template_may_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str
) -> None:
    (write_checkpoint(tmp_path / "model") / file).write_text(text)
    assert WORDS not in said_of(tmp_path, capsys)


def test_a_template_from_elsewhere_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "model")
    args = {"chat_template": "{{ messages }}"}
    assert WORDS not in said_of(tmp_path, capsys, engine_args=args)


@pytest.mark.parametrize("text", ["[]", '{"chat_template": null}'])
def test_a_tokenizers_file_that_tells_nothing_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (write_checkpoint(tmp_path / "model") / "tokenizer_config.json").write_text(text)
    assert WORDS in said_of(tmp_path, capsys)
