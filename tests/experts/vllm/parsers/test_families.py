"""Which parsers go with which model: templates as the families write them, cut to what matters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.vllm.parsers.families import MARKERS, NOT_DERIVED, OWN_FORMAT, REASONING, parsers_of
from experts.vllm.parsers.files import found_in, with_parsers
from experts.vllm.tables import arguments
from experts.vllm.tables.models import known

if TYPE_CHECKING:
    from pathlib import Path

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
JSON_CALL = '<tool_call>\n{"name": <name>, "arguments": <args>}\n</tool_call>'
XML_CALL = "<tool_call>\n<function={{ f.name }}>\n<parameter={{ k }}>{{ v }}</parameter></function>"
DEEPSEEK = "<\uff5ctool\u2581calls\u2581begin\uff5c>"
ASKED = "{% if add_generation_prompt %}<|im_start|>assistant\n"
SWITCH = "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"


@pytest.mark.parametrize(
    ("family", "template", "tool", "reasoning"),
    [
        ("qwen2", f"{CHATML}{{% if tools %}}{JSON_CALL}{{% endif %}}", "hermes", None),
        ("qwen3", f"{CHATML}{JSON_CALL}{ASKED}{SWITCH}", "hermes", "qwen3"),
        ("qwen3", f"{CHATML}{JSON_CALL}{ASKED}<think>\n{{% endif %}}", "hermes", "qwen3"),
        ("qwen3", f"{CHATML}{JSON_CALL}{ASKED}{{% endif %}}", "hermes", None),
        ("qwen3_moe", f"{CHATML}{XML_CALL}{ASKED}{{% endif %}}", "qwen3_coder", None),
        ("qwen3_5", f"{CHATML}{XML_CALL}{ASKED}{SWITCH}", "qwen3_coder", "qwen3"),
        ("llama", f"{CHATML}{JSON_CALL}", "hermes", None),
        ("llama", "<|start_header_id|>ipython {{ '<|python_tag|>' }}", "llama3_json", None),
        ("llama", '<|start_header_id|>{# ipython #} {"name": n, "parameters": p}', "llama3_json",
         None),
        ("llama", CHATML, None, None),
        ("llama4", "{% if tools %}[func(a=b)]{% endif %}", "llama4_pythonic", None),
        ("mistral", "[AVAILABLE_TOOLS]{{ tools }}[/AVAILABLE_TOOLS][TOOL_CALLS]", "mistral", None),
        ("granite", "<|start_of_role|>assistant<|tool_call|>", "granite", None),
        ("granitemoehybrid", JSON_CALL, "granite4", None),
        ("gpt_oss", "<|start|>assistant<|channel|>analysis", "openai", "openai_gptoss"),
        ("deepseek_v3", f"{DEEPSEEK}function\n```json\n{{}}", "deepseek_v3", None),
        ("deepseek_v3", f"{DEEPSEEK}{{{{ name }}}}", "deepseek_v31", None),
        ("qwen2", f"{CHATML}{ASKED}<think>\n{{% endif %}}", None, "deepseek_r1"),
        ("qwen2", f"{CHATML}{ASKED}{SWITCH}", None, None),
        ("glm4_moe", f"<tool_call>{{{{ n }}}}<arg_key>{ASKED}<think>{SWITCH}", "glm45", "glm45"),
        ("kimi_k2", "<|tool_calls_section_begin|><|tool_call_begin|>", "kimi_k2", None),
        ("minimax_m2", f"<minimax:tool_call>{ASKED}<think>\n", "minimax_m2", "minimax_m2"),
        ("seed_oss", "<seed:tool_call><function=f><parameter=p>", "seed_oss", None),
        ("phi3", "<|tool|>{{ tools }}<|/tool|>", "phi4_mini_json", None),
        ("phi3", "<|user|>{{ content }}<|end|>", None, None),
        ("gemma4", "<|tool_call>call:f{}<tool_call|>", "gemma4", None),
        ("jamba", "<tool_calls>[{}]</tool_calls>", "jamba", None),
        ("lfm2", "<|tool_call_start|>[f()]<|tool_call_end|>", "lfm2", None),
        ("ernie4_5_moe", JSON_CALL, "ernie45", None),
        ("internlm2", "<|action_start|><|plugin|>", "internlm", None),
        ("", "", None, None),
    ],
)  # fmt: skip
def test_families(family: str, template: str, tool: str | None, reasoning: str | None) -> None:
    assert parsers_of(family, template) == (tool, reasoning)


def test_every_parser_that_vllm_has_is_derived_or_known_not_to_be() -> None:
    table = arguments.table()[1]
    derived = {name for name, _ in OWN_FORMAT.values()} | {name for _, name in MARKERS}
    assert derived | NOT_DERIVED == set(table["tool_call_parser"].choices)
    assert not derived & NOT_DERIVED
    assert {name for name, _ in REASONING.values()} <= set(table["reasoning_parser"].choices)
    assert set(OWN_FORMAT) | set(REASONING) <= set(known().model_types)


@given(st.sampled_from([*OWN_FORMAT, *REASONING, "other"]), st.text())
def test_text_without_marks_derives_only_what_needs_none(family: str, text: str) -> None:
    bare = "".join(letter for letter in text if letter.isalpha() and letter.isascii()).upper()
    tool, reasoning = parsers_of(family, bare)
    assert tool is None or OWN_FORMAT[family] == (tool, "")
    assert reasoning is None or REASONING[family] == (reasoning, "")


def _model(folder: Path, template: str, **config: str) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokens = {"chat_template": template, "extra": "<think>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens), encoding="utf-8")
    return folder


def test_arguments_follow_from_the_files(tmp_path: Path) -> None:
    folder = _model(tmp_path, f"{JSON_CALL}{ASKED}{SWITCH}", model_type="qwen3")
    assert with_parsers(folder, {"dtype": "auto"}) == {
        "dtype": "auto",
        "tool_call_parser": "hermes",
        "enable_auto_tool_choice": True,
        "reasoning_parser": "qwen3",
    }


@pytest.mark.parametrize(
    ("given_args", "tool", "auto"),
    [
        ({"tool_call_parser": "xlam"}, "xlam", True),
        ({"tool-call-parser": "xlam"}, None, True),
        ({"enable_auto_tool_choice": False}, None, False),
        ({"tool_call_parser": None}, None, None),
        ({"chat_template": "{{ messages }} [TOOL_CALLS]"}, "mistral", True),
    ],
)
def test_what_is_configured_counts_first(
    tmp_path: Path, given_args: dict[str, object], tool: str | None, auto: bool | None
) -> None:
    folder = _model(tmp_path, JSON_CALL, model_type="llama")
    args = with_parsers(folder, given_args)
    assert (args.get("tool_call_parser"), args.get("enable_auto_tool_choice")) == (tool, auto)


def test_a_template_of_its_own_file_is_read(tmp_path: Path) -> None:
    folder = _model(tmp_path, "", model_type="qwen2")
    (folder / "chat_template.jinja").write_text(JSON_CALL, encoding="utf-8")
    assert found_in(folder, {}).parsers.tool == "hermes"
    other = tmp_path / "other.jinja"
    other.write_text("[TOOL_CALLS]", encoding="utf-8")
    assert found_in(folder, {"chat_template": str(other)}).parsers.tool == "mistral"


def test_no_reasoning_parser_without_its_token(tmp_path: Path) -> None:
    folder = _model(tmp_path, f"{ASKED}{SWITCH}", model_type="qwen3")
    assert found_in(folder, {}).parsers.reasoning == "qwen3"
    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.jinja").write_text(f"{ASKED}{SWITCH}", encoding="utf-8")
    assert found_in(folder, {}).parsers.reasoning is None


def test_mistrals_own_tokenizer_needs_no_template(tmp_path: Path) -> None:
    folder = _model(tmp_path, "", model_type="mistral")
    (folder / "tekken.json").write_text("{}", encoding="utf-8")
    assert found_in(folder, {}).parsers.tool == "mistral"


def test_files_that_are_elsewhere_say_nothing() -> None:
    assert with_parsers(None, {"dtype": "auto"}) == {"dtype": "auto"}
