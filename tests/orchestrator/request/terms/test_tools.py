"""Tools are refused before anything is loaded, where nobody could read a call of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from experts.errors import ExpertRefused, RequestError
from experts.spec import TorchSpec, VllmSpec
from orchestrator.request.terms.tools import ToolReaders

if TYPE_CHECKING:
    from pathlib import Path

TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "look"}}]}


def _readers(folder: Path, template: str = "", **args: Any) -> ToolReaders:
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    tokens = json.dumps({"chat_template": template})
    (folder / "tokenizer_config.json").write_text(tokens, encoding="utf-8")
    model = VllmSpec(type="vllm", model=str(folder), engine_args=args)
    role = VllmSpec(type="vllm", model=str(folder), same_as="law")
    torch = TorchSpec(type="torch", model=str(folder))
    hub = VllmSpec(type="vllm", model="acme/not-here")
    return ToolReaders({"law": model, "lawyer": role, "slow": torch, "hub": hub}, {})


@pytest.mark.parametrize("expert", ["law", "lawyer"])
@pytest.mark.parametrize("choice", ["auto", "required", {"function": {"name": "look"}}])
def test_the_refusal_names_the_key_and_the_family(
    tmp_path: Path, expert: str, choice: object
) -> None:
    readers = _readers(tmp_path, "{{ messages }}")
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            readers.refuse_unread(TOOLS | {"tool_choice": choice}, expert)
        assert "experts.law.engine_args.tool_call_parser" in str(refused.value)
        assert "llama" in str(refused.value)
        assert refused.value.param == "tools"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tools": []},
        TOOLS | {"tool_choice": "none"},
    ],
)
def test_what_needs_no_parser_passes(tmp_path: Path, body: dict[str, Any]) -> None:
    _readers(tmp_path, "{{ messages }}").refuse_unread(body, "law")


@pytest.mark.parametrize("expert", ["slow", "hub", "remote"])
def test_experts_whose_files_are_not_ours_to_read_pass(tmp_path: Path, expert: str) -> None:
    _readers(tmp_path).refuse_unread(TOOLS, expert)


def test_a_derived_or_a_given_parser_reads(tmp_path: Path) -> None:
    _readers(tmp_path, "<tool_call>{}</tool_call>").refuse_unread(TOOLS, "law")
    _readers(tmp_path, "", tool_call_parser="xlam").refuse_unread(TOOLS, "law")
    _readers(tmp_path, "", **{"tool-call-parser": "xlam"}).refuse_unread(TOOLS, "law")


@pytest.mark.parametrize("off", [{"enable_auto_tool_choice": False}, {"tool_call_parser": None}])
def test_what_was_turned_off_is_said(tmp_path: Path, off: dict[str, Any]) -> None:
    readers = _readers(tmp_path, "<tool_call>", **off)
    with pytest.raises(RequestError, match=f"engine_args.{next(iter(off))} turns that off"):
        readers.refuse_unread(TOOLS, "law")


def test_vllms_own_words_are_explained_by_our_key(tmp_path: Path) -> None:
    readers = _readers(tmp_path)
    words = 'tool_choice="required" requires --tool-call-parser to be set'
    said = ExpertRefused(words, expert="hub", status=400, body={})
    with pytest.raises(RequestError, match=r"experts\.hub\.engine_args\.tool_call_parser"):
        readers.explain(said, "hub")
    readers.explain(said, "remote")
    readers.explain(ExpertRefused("too long", expert="hub", status=400, body={}), "hub")
