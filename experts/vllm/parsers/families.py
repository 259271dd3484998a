"""The parsers of vLLM that go with a model, by its family and by what its chat template writes.

A template says what the model was trained to write, so its markers decide before the family that
its config.json names, unless a family has a format of its own under markers that others share.
Pure; the names are those of the vLLM whose tables lie in `experts/vllm/tables/`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

OWN_FORMAT: Mapping[str, tuple[str, str]] = {
    "gpt_oss": ("openai", ""),
    "deepseek_v32": ("deepseek_v32", ""),
    "deepseek_v4": ("deepseek_v4", ""),
    "deepseek_v41": ("deepseek_v41", ""),
    "kimi_k3": ("kimi_k3", ""),
    "muse_glimmer": ("muse_glimmer", ""),
    "inkling_mm_model": ("inkling", ""),
    "inkling_model": ("inkling", ""),
    "hy_v3": ("hy_v3", "<tool_call"),
    "hy_v4": ("hy_v4", "<tool_call"),
    "hunyuan_v1_moe": ("hunyuan_a13b", "<tool_calls>"),
    "hunyuan_v1_dense": ("hunyuan_a13b", "<tool_calls>"),
    "jamba": ("jamba", "<tool_calls>"),
    "ernie4_5": ("ernie45", "<tool_call>"),
    "ernie4_5_moe": ("ernie45", "<tool_call>"),
    "ernie4_5_vl_moe": ("ernie45", "<tool_call>"),
    "granite": ("granite", "<tool_call>"),
    "granitemoe": ("granite", "<tool_call>"),
    "granitemoehybrid": ("granite4", "<tool_call>"),
    "laguna": ("poolside_v1", "<arg_key>"),
    "mimo_v2_flash": ("mimo", "<function="),
    "step3p5": ("step3p5", "<function="),
    "step3p7": ("step3p5", "<function="),
    "bailing_moe_v3_vl": ("ling3", "<tool_call>"),
    "olmo3": ("olmo3", "<function_calls>"),
    "llama4": ("llama4_pythonic", "tools"),
    "llama4_text": ("llama4_pythonic", "tools"),
    "cohere2_moe": ("cohere_command4", "<|START_ACTION|>"),
    "phi3": ("phi4_mini_json", "<|tool|>"),
}
"""Family -> its tool parser, and what its template must hold; empty: it is used without one."""

MARKERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<\uff5ctool\u2581calls\u2581begin\uff5c>", "```json"), "deepseek_v3"),
    (("<\uff5ctool\u2581calls\u2581begin\uff5c>",), "deepseek_v31"),
    (("<\uff5ctool_calls_begin\uff5c>",), "step3"),
    (("<|tool_calls_section_begin|>",), "kimi_k2"),
    (("<ifm|tool_calls>",), "k2_horizon"),
    (("<minimax:tool_call>",), "minimax_m2"),
    (("]<]minimax[>[",), "minimax_m3"),
    (("<seed:tool_call>",), "seed_oss"),
    (("<longcat_tool_call>",), "longcat"),
    (("<dots_function_call>",), "dots"),
    (("<|tool_call_start|>",), "lfm2"),
    (("<|tools_prefix|>",), "apertus"),
    (("<|plamo:begin_tool_requests:plamo|>",), "plamo3"),
    (("<|START_ACTION|>",), "cohere_command3"),
    (("<|action_start|>", "<|plugin|>"), "internlm"),
    (("<start_function_call>",), "functiongemma"),
    (("<|tool_call>",), "gemma4"),
    (("<|tool_call|>",), "granite"),
    (("<function name=", "<param name="), "minicpm5"),
    (("<arg_key>", "<tool_call>"), "glm45"),
    (("<function=", "<parameter="), "qwen3_coder"),
    (("<tool_call>",), "hermes"),
    (("[TOOL_CALLS]",), "mistral"),
    (("<|python_tag|>",), "llama3_json"),
    (("<|start_header_id|>ipython", "parameters"), "llama3_json"),
    (("ipython", '"parameters"', "<|start_header_id|>"), "llama3_json"),
    (("<function_call>",), "granite-20b-fc"),
)
"""What a template writes, all of it, and the tool parser that reads it; the first one counts."""

NOT_DERIVED = frozenset(
    {
        "gigachat3", "glm47", "hf", "llama4_json", "pythonic", "qwen3_json", "qwen3_xml", "xlam",
    }
)  # fmt: skip
"""Tool parsers for which nothing in a model's files speaks more than for another one; some are
other names of one that is derived."""

REASONING: Mapping[str, tuple[str, str]] = {
    "gpt_oss": ("openai_gptoss", ""),
    "qwen3": ("qwen3", "<think>"),
    "qwen3_moe": ("qwen3", "<think>"),
    "qwen3_next": ("qwen3", "<think>"),
    "qwen3_5": ("qwen3", "<think>"),
    "qwen3_5_moe": ("qwen3", "<think>"),
    "glm4_moe": ("glm45", "<think>"),
    "glm4_moe_lite": ("glm45", "<think>"),
    "seed_oss": ("seed_oss", "<seed:think>"),
    "minimax_m2": ("minimax_m2", "<think>"),
    "olmo3": ("olmo3", "<think>"),
    "step3_text": ("step3", "<think>"),
    "step3_vl": ("step3", "<think>"),
    "step3p5": ("step3p5", "<think>"),
    "kimi_k2": ("kimi_k2", "<think>"),
    "qwen2": ("deepseek_r1", "<think>"),
    "llama": ("deepseek_r1", "<think>"),
    "deepseek_v3": ("deepseek_r1", "<think>"),
}
"""Family -> its reasoning parser, and the mark with which its template begins to think."""

_PROMPT = "add_generation_prompt"
_SWITCHED = re.compile(r"\benable_thinking\b|\bthinking\b(?!\s*=)")
_ALWAYS = frozenset({"deepseek_r1"})
"""Parsers that take all before `</think>` for reasoning, so whatever is said without thinking."""


class Parsers(NamedTuple):
    """The names of vLLM's parsers; None where a model's files do not say which one."""

    tool: str | None
    reasoning: str | None


def parsers_of(family: str, template: str) -> Parsers:
    """The parsers of a model: `family` is its `model_type`, `template` empty where it has none."""
    return Parsers(_tool(family, template), _reasoning(family, template))


def reasoning_mark(family: str) -> str:
    """What the tokenizer must know for the family's reasoning parser; empty for nothing."""
    return REASONING.get(family, ("", ""))[1]


def _tool(family: str, template: str) -> str | None:
    if family in OWN_FORMAT:
        name, needed = OWN_FORMAT[family]
        if needed in template:
            return name
    found = (name for marks, name in MARKERS if all(mark in template for mark in marks))
    return next(found, None)


def _reasoning(family: str, template: str) -> str | None:
    name, mark = REASONING.get(family, (None, ""))
    if name is None or not mark:
        return name
    # Before the answer, and not only in what the template does with earlier turns.
    begun = template.rpartition(_PROMPT)[2] if _PROMPT in template else ""
    if mark not in begun:
        return None
    return None if name in _ALWAYS and _SWITCHED.search(template) else name
