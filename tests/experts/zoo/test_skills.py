"""The skills hold their test items out of training and answer them correctly."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timedelta
from random import Random

import pytest

from experts.zoo.skills import geography, translation
from experts.zoo.skills.base import SPLITS, Example, Phrasings, split_of
from experts.zoo.skills.geography_facts import COUNTRIES
from experts.zoo.skills.registry import SINGLE_SKILLS, SKILLS
from experts.zoo.skills.translation_facts import LANGUAGES, WORDS

COUNT = 800
# Months and units.
NAMED = (
    r"January|February|March|April|May|June|July|August|September|October|November"
    r"|December|\w*(?:metre|gram|litre|tonne|euro|cent)s"
)
FACT_SKILLS = ("geography", "translation")
RULE_SKILLS = tuple(name for name in SINGLE_SKILLS if name not in FACT_SKILLS)


def samples(name: str, split: str, count: int = COUNT) -> list[Example]:
    rng = Random(f"{name} {split} test")
    return [SKILLS[name].sample(rng, split) for _ in range(count)]  # type: ignore[arg-type]


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def operands(name: str, question: str) -> frozenset[str]:
    """What a question is about, read from its text and not from the generator."""
    if name in ("strings", "cipher"):
        return frozenset({quoted(question).lower()})
    if name == "sequences":
        return frozenset({",".join(map(str, numbers(question)))})
    if name == "roman":
        return frozenset({quoted(question) if '"' in question else str(numbers(question)[0])})
    if name == "logic" and " than " in question:
        people = re.findall(r"[A-Z][a-z]+(?= is)|(?<=than )[A-Z][a-z]+", question)
        return frozenset(people)
    if name == "units":
        clock = re.findall(r"\d\d:\d\d", question)
        names = re.findall(NAMED, question)
        # A number's own word tells 100 metres in centimetres from 100 centimetres in metres.
        amount = re.findall(r"(?<![\d:])\d+(?![\d:])(?: (?!minutes)\w+)?", question)
        return frozenset([*clock, *names, *amount])
    return frozenset(map(str, numbers(question)))


def quoted(question: str) -> str:
    found = re.search(r'"([^"]+)"', question)
    assert found, question
    return found[1]


@pytest.mark.parametrize("name", RULE_SKILLS)
def test_rule_skills_share_no_operands_between_splits(name: str) -> None:
    seen = {
        split: {operands(name, example.question) for example in samples(name, split)}
        for split in SPLITS
    }
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["probe"]
    assert not seen["probe"] & seen["test"]


def templates(phrasings: Phrasings) -> tuple[set[str], set[str], set[str]]:
    return set(phrasings.train), set(phrasings.probe), set(phrasings.test)


@pytest.mark.parametrize(
    "phrasings",
    [geography.CAPITAL, geography.CONTINENT, geography.COUNTRY, translation.PHRASINGS],
)
def test_fact_skills_hold_phrasings_out(phrasings: Phrasings) -> None:
    train, probe, test = templates(phrasings)
    assert len(train) >= 12
    assert len(test) >= 4
    assert not train & probe
    assert not train & test
    assert not probe & test


@pytest.mark.parametrize("name", SINGLE_SKILLS)
def test_every_skill_is_asked_in_ten_ways_or_more(name: str) -> None:
    forms = set()
    for example in samples(name, "train", 600):
        text = re.sub(r'"[^"]*"|\d+', "#", example.question)
        forms.add(re.sub(r"\b[A-Z][a-z]+", "N", text))
    assert len(forms) >= 10


@pytest.mark.parametrize("name", SKILLS)
def test_sampling_depends_on_the_seed_alone(name: str) -> None:
    assert samples(name, "test", 20) == samples(name, "test", 20)


def test_foreign_questions_are_never_trained_on() -> None:
    with pytest.raises(ValueError, match="train"):
        samples("foreign", "train", 1)


def test_foreign_probe_and_test_differ() -> None:
    probe = {example.question for example in samples("foreign", "probe")}
    test = {example.question for example in samples("foreign", "test")}
    assert not probe & test
    assert len(probe) >= 20
    assert len(test) >= 40


def test_hash_shares_are_near_a_tenth() -> None:
    splits = [split_of(a, b) for a in range(100) for b in range(100)]
    assert 0.08 < splits.count("test") / len(splits) < 0.12
    assert 0.08 < splits.count("probe") / len(splits) < 0.12


def test_arithmetic_answers() -> None:
    for example in samples("arithmetic", "test"):
        a, b = numbers(example.question)
        right = a + b if "addition" in example.keywords else abs(a - b)
        assert example.answer == str(right)


def test_sequence_answers() -> None:
    for example in samples("sequences", "test"):
        terms = numbers(example.question)[:4]
        assert int(example.answer) - terms[-1] == terms[1] - terms[0]


def test_comparison_answers() -> None:
    low = ("smaller", "less", "lower", "lesser", "smallest", "minimum", "lowest")
    for example in samples("logic", "test"):
        if "comparison" not in example.keywords:
            continue
        words = re.findall(r"[a-z]+", example.question)
        choose = min if any(word in low for word in words) else max
        assert example.answer == str(choose(numbers(example.question)))


def test_ordering_answers() -> None:
    higher = ("taller", "older", "faster")
    highest = ("tallest", "oldest", "fastest")
    for example in samples("logic", "test"):
        if "ordering" not in example.keywords:
            continue
        above = []
        for left, scale, right in re.findall(r"(\w+) is (\w+) than (\w+)", example.question):
            above.append((left, right) if scale in higher else (right, left))
        top = next(a for a, _ in above if all(a != b for _, b in above))
        bottom = next(b for _, b in above if all(b != a for a, _ in above))
        wanted = any(re.search(rf"\b{word}\b", example.question) for word in highest)
        assert example.answer == (top if wanted else bottom)


def test_clock_and_calendar_answers() -> None:
    for example in samples("units", "test"):
        backward = re.search("before|ago|earlier", example.question)
        if "clock" in example.keywords:
            start = re.findall(r"\d\d:\d\d", example.question)[0]
            (minutes,) = numbers(example.question.replace(start, ""))
            end = datetime.strptime(start, "%H:%M") + timedelta(minutes=minutes)
            assert example.answer == end.strftime("%H:%M")
        elif "calendar" in example.keywords:
            found = re.search(r"(\d+) ([A-Z][a-z]+)", example.question)
            assert found
            start_day = datetime.strptime(f"{found[0]} 2023", "%d %B %Y")
            (days,) = numbers(example.question.replace(found[0], ""))
            end_day = start_day + timedelta(days=-days if backward else days)
            assert example.answer == f"{end_day.day} {end_day:%B}"


def test_roman_answers() -> None:
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
    for example in samples("roman", "test"):
        read = '"' in example.question
        numeral = quoted(example.question) if read else example.answer
        digits = [values[symbol] for symbol in numeral]
        following = [*digits[1:], 0]
        value = sum(-d if d < n else d for d, n in zip(digits, following, strict=True))
        assert str(value) == (example.answer if read else str(numbers(example.question)[0]))


def test_cipher_answers() -> None:
    for example in samples("cipher", "test"):
        for before, after in zip(quoted(example.question), example.answer, strict=True):
            assert (ord(after) - ord(before)) % 26 == 1


def test_two_skill_answers_need_both_parts() -> None:
    for example in samples("two_skill", "test", 400):
        first, second = example.answer.split(" ; ")
        assert first
        assert second
        assert len(example.keywords) == 2


def test_facts_are_unambiguous() -> None:
    assert len({country for country, _, _ in COUNTRIES}) == len(COUNTRIES) >= 70
    assert len({capital for _, capital, _ in COUNTRIES}) == len(COUNTRIES)
    assert len({row[0] for row in WORDS}) == len(WORDS) >= 120
    assert all(len(row) == 1 + len(LANGUAGES) for row in WORDS)


def test_skills_and_formats_need_no_machine_learning_library() -> None:
    code = (
        "import sys, experts.zoo.skills.registry, experts.zoo.format_examples\n"
        "assert not {'torch', 'transformers', 'tokenizers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
