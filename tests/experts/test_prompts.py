"""Prompts whose fields are filled, and texts that cannot break out of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ConfigError
from experts.prompts import defused, fence_for, fill, read_template, without_thoughts

TOKENS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|role_3|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|END_OF_TURN_TOKEN|>",
    "<s>",
    "</s>",
    "<bos>",
    "<EOS>",
    "<pad>",
    "<unk>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<end_of_text>",
    "<\uff5cUser\uff5c>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "<think>",
    "</think>",
    "[SYSTEM_PROMPT]",  # Mistral's since v7 (mistral_common).
    "[/SYSTEM_PROMPT]",
    "[TOOL_RESULTS]",
    "<|turn>",  # Gemma 4's.
    "<turn|>",
    "[|endofturn|]",  # EXAONE's.
]
PIECES = st.lists(st.sampled_from([*TOKENS, *"<>|[]/ \uff5ca", "im_end", "\n"])).map("".join)


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_that_parts_a_conversation_is_defused(token: str) -> None:
    for written in (token, token.lower(), token.upper()):
        for text in (written, f"a{written}b", written * 3, f"<{written}>", f"[{written}"):
            assert written not in defused(text)
            assert defused(text).replace(" ", "") == text


@given(PIECES)
def test_defusing_only_adds_spaces_and_once_is_enough(text: str) -> None:
    safe = defused(text)
    assert safe.replace(" ", "") == text.replace(" ", "")
    assert defused(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a < b > c",
        "x[i]",
        "[INSTALL]",
        "a || b",
        "<b>bold</b>",
        "if a<s and b>s",
        "<|",
        "2<|x|",
    ],
)
def test_what_no_tokenizer_minds_stays_as_it_is(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Lima", "Lima"),
        ("<think>Cusco? No.</think>Lima", "Lima"),
        (" <think>\nCusco?\n</think>\n\n Lima\n", "Lima"),
        ("Cusco? No.</think>Lima", "Lima"),  # The template has opened it.
        ("<think></think>Lima", "Lima"),
        ("<think>a</think>b<think>c</think>Lima", "Lima"),
        ("<think>Cusco? Or is it", ""),
        ("<think>Cusco?</think><think>Or is it", ""),
        ("<think>Cusco?</think>", ""),
        ("</think>", ""),
        ("", ""),
        ("The tag <think> opens it.", "The tag <think> opens it."),
    ],
)
def test_thoughts_are_no_part_of_an_answer(text: str, said: str) -> None:
    assert without_thoughts(text) == said


@given(PIECES)
def test_an_answer_without_thoughts_has_none_to_lose(text: str) -> None:
    said = without_thoughts(text)
    assert text.strip().endswith(said)
    assert without_thoughts(said) == said


def test_every_field_is_filled_wherever_it_stands() -> None:
    assert fill("{a} and {b}, {a}", a="1", b="2") == "1 and 2, 1"


def test_a_field_in_a_value_stays_as_it_is() -> None:
    assert fill("{a} {b}", a="{b} {a}", b=r"\1 \g<0> {a}") == r"{b} {a} \1 \g<0> {a}"


def test_braces_that_are_no_field_stay_as_they_are() -> None:
    assert fill('{"a": {a}} {other} {{a}}', a="1") == '{"a": 1} {other} {1}'


@given(st.text(), st.text())
def test_a_value_arrives_unchanged(one: str, other: str) -> None:
    assert fill("<{one}|{other}>", one=one, other=other) == f"<{one}|{other}>"


@given(st.lists(st.text("`~a\n"), max_size=4))
def test_no_text_has_a_run_as_long_as_the_fence(texts: list[str]) -> None:
    fence = fence_for(texts)
    assert re.fullmatch("`{3,}", fence)
    assert not any(fence in text for text in texts)


def test_a_fence_is_no_longer_than_it_must_be() -> None:
    assert fence_for([]) == fence_for(["``"]) == fence_for(["~~~~"]) == "```"
    assert fence_for(["```", "a````b"]) == "`````"


def test_a_template_is_read_without_its_last_line_feed(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("\u00bf{question}?\n\n{answer}\n", encoding="utf-8")
    assert read_template(path, ("question", "answer")) == "\u00bf{question}?\n\n{answer}"


def test_a_template_that_lacks_fields_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("{question}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prompt\.txt lacks \{answer\} and \{room\}"):
        read_template(path, ("question", "answer", "room"))


def test_a_template_that_can_not_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read"):
        read_template(tmp_path / "none.txt", ())
    (tmp_path / "latin.txt").write_bytes(b"\xbf{question}?")
    with pytest.raises(ConfigError, match=r"latin\.txt cannot be read"):
        read_template(tmp_path / "latin.txt", ())
