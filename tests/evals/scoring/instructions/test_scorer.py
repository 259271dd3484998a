"""Each of the 25 kinds of instruction is followed by texts made to, and by no others."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.instructions.lengths import count_sentences
from evals.scoring.instructions.scorer import CHECKS, follows, variants
from evals.scoring.registry import make_scorer

IFEVAL = Path(__file__).parents[5] / "shared" / "data" / "questions" / "ifeval.jsonl"
SMALL = st.integers(1, 6)
WORD = st.text("abcdefghij", min_size=2, max_size=6)

EXAMPLES: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["cat", "Dog"]}, "Dogs chase cats", "A dog"),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "A rocket", "It ROCK s"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "x\nP. P. S. hi", "P.S. hi"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "x\np.s. hi", "ps hi"),
    ("detectable_format:constrained_response", {}, "I think: My answer is maybe.", "Maybe."),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', "{'a': 1}"),
    ("detectable_format:json_format", {}, ' {"a": 1} ', '{"a": 1} done'),
    ("detectable_format:title", {}, "<<Spring>>\nIt rains.", "<< >> <Spring>"),
    ("combination:two_responses", {}, "One.\n******\nTwo.", "One.******One."),
    ("combination:two_responses", {}, "******One.******Two.", "A******B******C"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "say it. Yes.", "Yes. Say it."),
    ("startend:end_checker", {"end_phrase": "Bye now."}, 'So: "bye now."', "Bye now. Or not"),
    ("startend:quotation", {}, ' "All of it." ', '"'),
    ("change_case:english_capital", {}, "THE CAT IS IN THE HAT.", "THE cat IS IN THE HAT."),
    ("change_case:english_capital", {}, "WE ARE HERE", "DER HUND IST NICHT IN DER STADT UND"),
    ("change_case:english_lowercase", {}, "the cat is in the hat.", "The cat is in the hat."),
    ("punctuation:no_comma", {}, "No; none.", "One, two"),
]


@pytest.mark.parametrize(("kind", "arguments", "good", "bad"), EXAMPLES)
def test_examples(kind: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    assert follows(good, kind, arguments)
    assert not follows(bad, kind, arguments)


def _relation(kind: str, key: str, relation: str, count: int, text: str, **more: Any) -> None:
    """The text has exactly `count`."""
    at_least, less = {relation: "at least"}, {relation: "less than"}
    assert follows(text, kind, {key: count, **at_least, **more})
    assert not follows(text, kind, {key: count + 1, **at_least, **more})
    assert follows(text, kind, {key: count + 1, **less, **more})
    assert not follows(text, kind, {key: count, **less, **more})


@given(SMALL)
def test_counts_with_a_relation(count: int) -> None:
    _relation("length_constraints:number_words", "num_words", "relation", count, "word, " * count)
    sentences = "This is Dr. Smith. " * count
    _relation("length_constraints:number_sentences", "num_sentences", "relation", count, sentences)
    _relation("keywords:frequency", "frequency", "relation", count, "Tea " * count, keyword="tea")
    letters = "Banana"[:2] * count
    _relation(
        "keywords:letter_frequency", "let_frequency", "let_relation", count, letters, letter="b"
    )
    capitals = "NASA went up " * count
    _relation(
        "change_case:capital_word_frequency",
        "capital_frequency",
        "capital_relation",
        count,
        capitals,
    )


@given(SMALL)
def test_counts_of_forms(count: int) -> None:
    at_least: dict[str, tuple[str, dict[str, Any], str]] = {
        "detectable_content:number_placeholders": ("num_placeholders", {}, "[name] "),
        "detectable_format:number_highlighted_sections": ("num_highlights", {}, "*so* and "),
        "detectable_format:multiple_sections": (
            "num_sections",
            {"section_spliter": "Section"},
            "Section 1\nx\n",
        ),
    }
    for kind, (key, more, piece) in at_least.items():
        assert follows(piece * count, kind, {key: count, **more})
        assert not follows(piece * count, kind, {key: count + 1, **more})
    exactly: dict[str, tuple[str, str]] = {
        "detectable_format:number_bullet_lists": ("num_bullets", "\n".join(["* a", "- b"] * 3)),
        "length_constraints:number_paragraphs": ("num_paragraphs", "a\n***\nb\n***\nc"),
    }
    for kind, (key, text) in exactly.items():
        assert follows(text, kind, {key: 6 if "bullet" in kind else 3})
        assert not follows(text, kind, {key: 7 if "bullet" in kind else 2})


@given(st.lists(WORD, min_size=1, max_size=5), st.data())
def test_the_first_word_of_a_paragraph(words: list[str], data: st.DataObject) -> None:
    text = "\n\n".join(f'"{word.capitalize()}, and more.' for word in words)
    nth = data.draw(st.integers(1, len(words)))
    kind = "length_constraints:nth_paragraph_first_word"
    wanted = {"num_paragraphs": len(words), "nth_paragraph": nth, "first_word": words[nth - 1]}
    assert follows(text, kind, wanted)
    assert not follows(text, kind, wanted | {"first_word": "other"})
    assert not follows(text, kind, wanted | {"num_paragraphs": len(words) + 1})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("It costs 3.50 dollars, e.g. here. Fine.", 2),
        ("Wait... what?!", 2),
        ("no end", 1),
        ('He said "Stop." She did.', 2),
        ("1. First thing\n2. Second thing.", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count


@given(st.text(max_size=40), st.sampled_from(sorted(CHECKS)))
def test_an_empty_answer_follows_nothing_and_others_are_judged(text: str, kind: str) -> None:
    values: dict[str, Any] = {
        "keywords": ["a"], "forbidden_words": ["a"], "keyword": "a", "letter": "a",
        "relation": "at least", "let_relation": "at least", "capital_relation": "less than",
        "language": "hi", "postscript_marker": "P.S.", "section_spliter": "(", "end_phrase": "a",
        "prompt_to_repeat": "a", "first_word": "a", "nth_paragraph": 1,
    }  # fmt: skip
    numbers = (
        "frequency",
        "let_frequency",
        "num_words",
        "num_sentences",
        "num_paragraphs",
        "num_placeholders",
        "num_bullets",
        "num_highlights",
        "num_sections",
        "capital_frequency",
    )
    arguments = values | dict.fromkeys(numbers, 1)
    assert follows(text, kind, arguments) in (True, False)
    assert not follows(" \n", kind, arguments)


def _sample(**fields: Any) -> Any:
    return SimpleNamespace(answer="", fields=fields)


def test_strict_and_loose_all_and_some() -> None:
    two = _sample(
        instruction_id_list=["startend:quotation", "punctuation:no_comma"], kwargs=[{}, {}]
    )
    text = 'Sure, here it is:\n"A poem"'
    assert make_scorer("instructions")(two, text) == 0
    assert make_scorer("instructions", {"of": "instruction"})(two, text) == 0
    assert make_scorer("instructions", {"accuracy": "loose"})(two, text) == 1
    assert make_scorer("instructions", {"of": "instruction"})(two, '"A, b"') == 0.5


def test_loose_texts_are_without_ends_and_stars() -> None:
    assert set(variants("a\n*b*\nc")) == {
        "a\n*b*\nc", "a\nb\nc", "*b*\nc", "b\nc", "a\n*b*", "a\nb", "*b*", "b",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"instruction_id_list": ["startend:quotation"], "kwargs": []},
        {"instruction_id_list": ["startend:nothing"], "kwargs": [{}]},
        {"instruction_id_list": ["startend:end_checker"], "kwargs": [{"end_phrase": None}]},
        {"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "xx"}]},
    ],
)
def test_what_cannot_be_checked_is_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kwargs|unknown|lacks|not known"):
        make_scorer("instructions")(_sample(**fields), "text")


@pytest.mark.skipif(not IFEVAL.exists(), reason="needs the questions")
def test_every_published_prompt_can_be_checked() -> None:
    rows = [json.loads(line) for line in IFEVAL.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == 541
    assert {name for row in rows for name in row["instruction_id_list"]} == set(CHECKS)
    for row in rows:
        for options in ({}, {"accuracy": "loose"}, {"of": "instruction"}):
            for text in (row["prompt"], row["prompt"].upper(), "***\n\n* a"):
                assert 0 <= make_scorer("instructions", options)(_sample(**row), text) <= 1
