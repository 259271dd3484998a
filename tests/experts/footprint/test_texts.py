"""Damaged files of a tokenizer, and chat templates with mistakes, are named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.footprint.texts import damaged_files, read_mapping, template_fault

GOOD = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
BAD = "{% for m in messages %}{{ m.content }"


def test_a_folder_without_mistakes(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(GOOD)
    assert list(damaged_files(tmp_path)) == []


def test_a_tokenizer_that_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {')
    (fault,) = damaged_files(tmp_path)
    assert fault.startswith("tokenizer.json is not JSON (")
    assert "copy it again" in fault


@pytest.mark.parametrize("template", [BAD, [{"name": "default", "template": BAD}]])
def test_a_template_in_the_tokenizers_configuration(template: object, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (fault,) = damaged_files(tmp_path)
    assert fault.startswith("tokenizer_config.json: its chat template is not Jinja (line 1: ")
    assert list(damaged_files(tmp_path, templates=False)) == []


def test_loops_may_be_left_early() -> None:
    assert template_fault("{% for m in messages %}{% break %}{% endfor %}") is None


@given(st.binary(max_size=40))
def test_any_bytes_are_judged(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "tokenizer.json").write_bytes(raw)
    faults = list(damaged_files(folder))
    assert len(faults) <= 1
    assert not (faults and read_mapping(folder / "tokenizer.json"))
