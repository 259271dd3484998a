"""The tokenizers keep frequent words whole, spell the rest, and lose nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.zoo import formats
from experts.zoo.format_examples import FORMATS
from experts.zoo.skills.registry import SKILLS
from experts.zoo.tokenizer import CORPORA, RESERVED_ROLES, SHARED, build
from experts.zoo.train import chat_prompt, encode

TOKENIZERS: dict[str, Any] = {vocabulary: build(vocabulary) for vocabulary in CORPORA}


def pieces(vocabulary: str, text: str) -> list[str]:
    tokenizer = TOKENIZERS[vocabulary]
    return list(tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]))


@pytest.mark.parametrize("vocabulary", CORPORA)
@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives_the_round_trip(vocabulary: str, text: str) -> None:
    tokenizer = TOKENIZERS[vocabulary]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("name", [*SKILLS, *FORMATS])
def test_questions_and_answers_survive_and_stay_short(name: str) -> None:
    rng = Random(1)
    source = SKILLS.get(name) or FORMATS[name]
    examples = [source.sample(rng, "test") for _ in range(100)]
    tokenizer = TOKENIZERS[SHARED]
    for example, (prompt, answer) in zip(examples, encode(tokenizer, examples), strict=True):
        assert tokenizer.decode(answer) == example.answer + tokenizer.eos_token
        assert tokenizer.decode(prompt) == chat_prompt(tokenizer, example.question)
        assert len(answer) <= 32
        assert len(prompt) <= 200


@settings(max_examples=100, deadline=None)
@given(word=st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9))
def test_quoted_words_are_spelled_out(word: str) -> None:
    spelled = pieces(SHARED, f'Reverse "{word}".')
    assert spelled == ["Reverse", 'Ġ"', *word, '".']


@pytest.mark.parametrize("word", ["the", "letter", "Paris", "France", "Monday", "Anna", "chien"])
def test_answers_are_spelled_out(word: str) -> None:
    assert pieces(SHARED, word) == list(word)


def test_digits_stay_single() -> None:
    assert pieces(SHARED, "What is 23 + 456?")[-7:] == ["3", "Ġ+", "Ġ", "4", "5", "6", "?"]


def test_vocabularies_are_small_and_differ() -> None:
    sizes = {vocabulary: len(tokenizer) for vocabulary, tokenizer in TOKENIZERS.items()}
    assert 700 <= sizes[SHARED] <= 1500
    assert sizes["translation"] < sizes[SHARED]


def test_roles_are_single_tokens_in_the_chat_template() -> None:
    tokenizer = TOKENIZERS[SHARED]
    assert len(RESERVED_ROLES) == 64
    messages = [{"role": "system", "content": "a"}, {"role": "role_7", "content": "b"}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    expected = ["<|bos|>", "<|system|>", "a", "<|role_7|>", "b", "<|assistant|>"]
    assert tokenizer.convert_ids_to_tokens(encoded) == expected


def test_the_beginning_is_marked_once() -> None:
    tokenizer = TOKENIZERS[SHARED]
    encoded = tokenizer(chat_prompt(tokenizer, "What is 1 + 1?"))["input_ids"]
    assert encoded.count(tokenizer.bos_token_id) == 1
    assert encoded[0] == tokenizer.bos_token_id


def test_synthesis_prompt_numbers_the_candidates() -> None:
    prompt = formats.synthesis_prompt("What is 1 + 1?", ["2", "3"])
    assert prompt == "Question: What is 1 + 1?\nAnswers:\n1. 2\n2. 3\nBest answer:"
