"""Free texts are grouped by their meaning, and it is said where they cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ask import ScriptedAsk

from aggregators.grouping import group, group_by_meaning, may_agree
from routers.features import MiniLMEncoder

WHY = "Why is the sky blue?"
SCATTERS = "Air scatters the short wavelengths of sunlight much more than it scatters long ones."
ALSO = "Because molecules in the atmosphere scatter light of short wavelength most strongly of all."
OCEAN = "The water of the seas below is reflected by the clouds and by everything up there, always."
VECTORS = {SCATTERS: (1.0, 0.0), ALSO: (0.9, 0.436), OCEAN: (0.0, 1.0)}


async def test_texts_that_mean_the_same_are_one_answer() -> None:
    ask = ScriptedAsk({}, vectors=VECTORS)
    found = await group("auto", WHY, [OCEAN, SCATTERS, ALSO], ask)
    assert found.how == "meaning"
    assert found.labels[1] == found.labels[2] != found.labels[0]


async def test_where_no_two_are_alike_that_is_said() -> None:
    found = await group("auto", WHY, [OCEAN, SCATTERS], ScriptedAsk({}, vectors=VECTORS))
    assert found.how == "none"
    assert (await group("auto", WHY, [ALSO, SCATTERS], ScriptedAsk({}))).how == "none"


async def test_short_answers_need_no_encoder() -> None:
    found = await group("auto", "Capital of Peru?", ["Lima", "It is Lima.", "Ica"], ScriptedAsk({}))
    assert (found.labels, found.how) == (("lima", "lima", "ica"), "read")


async def test_equal_texts_are_one_answer_without_an_encoder() -> None:
    found = await group("auto", WHY, [OCEAN, SCATTERS, f"{SCATTERS} "], ScriptedAsk({}))
    assert found.how == "meaning"
    assert found.labels[1] == found.labels[2] != found.labels[0]


async def test_one_text_alone_is_no_disagreement() -> None:
    assert (await group("auto", WHY, [OCEAN], ScriptedAsk({}))).how == "meaning"


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("It was built in 1535 by the king", "It was built in 1835 by the king", False),
        ("The seat of congress is Lima", "The seat of congress is Quito", False),
        ("That is true of all birds", "That is not true of all birds", False),
        ("Plants make food from light", "It is how plants make food", True),
        ("Light is scattered by 3 gases", "Light is scattered by gases", True),
    ],
)
def test_names_numbers_and_negations_part_what_an_encoder_finds_alike(
    one: str, other: str, agree: bool
) -> None:
    assert may_agree("How so?", one, other) is agree
    assert may_agree("How so?", other, one) is agree


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=6), st.integers(0, 99))
def test_groups_are_a_partition_that_keeps_what_was_read(
    labels: list[str | None], seed: int
) -> None:
    texts = [f"text {number}" for number in range(len(labels))]
    vectors = np.random.default_rng(seed).normal(size=(len(texts), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = group_by_meaning("", texts, labels, vectors, 0.5)
    for one, label in enumerate(labels):
        for other in range(one):
            if label is not None and labels[other] is not None:
                assert (groups[one] == groups[other]) == (label == labels[other])
            if groups[one] == groups[other] and label is None:
                assert vectors[one] @ vectors[other] >= 0.5


async def test_the_encoder_that_ships_tells_explanations_apart() -> None:
    texts = [
        "The sky is blue because it reflects the colour of the oceans below it.",
        "The sky looks blue because molecules in the air scatter short blue wavelengths of sunlight"
        " more than red ones.",
        "Sunlight is scattered by the air's molecules; blue light, having shorter wavelengths, is"
        " scattered the most, so the sky appears blue.",
    ]
    vectors = dict(zip(texts, MiniLMEncoder().encode(texts), strict=True))
    found = await group("auto", WHY, texts, ScriptedAsk({}, vectors=vectors))
    assert found.labels[1] == found.labels[2] != found.labels[0]
    assert found.how == "meaning"
