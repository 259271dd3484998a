"""The role token takes the place of the first token, whatever the members' template looks like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from transformers import AutoTokenizer

from experts.fused.folder.chat_template import with_role

ZOO_LIKE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}\n"
)
LLAMA_LIKE = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = 'Be kind.' %}
{%- endif %}
{%- macro turn(m) %}[{{ m.role }}] {{ m.content }}{% endmacro %}
{{- '<sys>' + system }}
{%- set ns = namespace(turns=0) %}
{%- for message in messages %}
    {%- set ns.turns = ns.turns + 1 %}
    {%- set role = message['role'] %}
    {{- turn(message) + '{' + role + '}' }}
{%- endfor %}
{{- '<%d turns>' % ns.turns }}
{%- if add_generation_prompt %}<answer>{% endif %}"""
Say = Callable[..., str]
TOKENS = {"calm": "<|role_0|>", "keen": "<|role_1|>"}
TALK = [
    {"role": "system", "content": "Count."},
    {"role": "user", "content": "Hi <|role_1|>"},
    {"role": "assistant", "content": "Ho"},
]


@pytest.fixture
def say(zoo: Path) -> Say:
    tokenizer = AutoTokenizer.from_pretrained(zoo / "units")

    def apply(template: str, **kwargs: Any) -> str:
        text: str = tokenizer.apply_chat_template(
            TALK, chat_template=template, tokenize=False, add_generation_prompt=True, **kwargs
        )
        return text

    return apply


@pytest.mark.parametrize("template", [ZOO_LIKE, LLAMA_LIKE])
def test_only_the_first_token_changes(say: Say, template: str) -> None:
    plain = say(template)
    fused = with_role(template, "<|bos|>", TOKENS)

    assert plain.startswith("<|bos|>")
    assert say(fused) == plain.replace("<|bos|>", "<|role_0|>", 1)
    assert say(fused, role=None) == say(fused, role="calm") == say(fused)
    assert say(fused, role="keen") == plain.replace("<|bos|>", "<|role_1|>", 1)


def test_it_need_not_be_a_bos_token(say: Say) -> None:
    template = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
    fused = with_role(template, "<|user|>", TOKENS)

    assert say(fused, role="keen") == "<|role_1|>Count.<|user|>Hi <|role_1|><|user|>Ho"


@pytest.mark.parametrize("role", ["nobody", "", "Calm", ["calm"], 0])
def test_an_unknown_role_is_an_error_with_the_names_of_all(say: Say, role: object) -> None:
    fused = with_role(ZOO_LIKE, "<|bos|>", TOKENS)

    with pytest.raises(TemplateError, match=r"There is no role .*; the roles are: calm, keen\."):
        say(fused, role=role)


def test_a_text_with_another_beginning_is_an_error(say: Say) -> None:
    fused = with_role("{% if tools %}{{ bos_token }}{% endif %}Hi", "<|bos|>", TOKENS)

    with pytest.raises(TemplateError, match="does not start with"):
        say(fused)


def test_words_of_the_template_s_own_are_only_words(say: Say) -> None:
    names = {"MEMBERS": "<|role_0|>", "TOKENS": "<|role_1|>"}
    fused = with_role("{{ bos_token }}NAMES and FIRST", "<|bos|>", names)

    assert say(fused, role="TOKENS") == "<|role_1|>NAMES and FIRST"
