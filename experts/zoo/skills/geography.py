"""Capitals, their countries, and continents; the test asks in phrasings unseen in training."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Phrasings, Skill, Split
from experts.zoo.skills.geography_facts import COUNTRIES

CAPITAL = Phrasings(
    train=(
        "What is the capital of {country}?",
        "Which city is the capital of {country}?",
        "Name the capital of {country}.",
        "What is the capital city of {country}?",
        "Tell me the capital of {country}.",
        "{country} has which capital?",
        "What city is the seat of government of {country}?",
        "Give the capital city of {country}.",
        "The capital of {country} is which city?",
        "Which capital does {country} have?",
        "Do you know the capital of {country}?",
        "What is {country}'s capital?",
        "Capital of {country}?",
        "In which city does the government of {country} sit?",
    ),
    probe=("Please name the capital of {country}.", "Which city is {country}'s capital?"),
    test=(
        "Give me the capital of {country}.",
        "What is the name of the capital of {country}?",
        "Which is the capital city of {country}?",
        "Say the capital of {country}.",
    ),
)
CONTINENT = Phrasings(
    train=(
        "On which continent is {country}?",
        "Which continent is {country} in?",
        "What continent does {country} belong to?",
        "Name the continent of {country}.",
        "Which continent does {country} lie on?",
        "In which part of the world is {country}?",
        "{country} is on which continent?",
        "Tell me the continent of {country}.",
        "What is the continent of {country}?",
        "Where in the world is {country}, on which continent?",
        "Give the continent that {country} belongs to.",
        "The country {country} is part of which continent?",
        "Continent of {country}?",
    ),
    probe=("On what continent is {country}?", "Please name the continent of {country}."),
    test=(
        "Give me the continent of {country}.",
        "To which continent does {country} belong?",
        "What continent is {country} on?",
        "On which continent does {country} lie?",
    ),
)
COUNTRY = Phrasings(
    train=(
        "Which country has the capital {capital}?",
        "{capital} is the capital of which country?",
        "Of which country is {capital} the capital?",
        "Name the country whose capital is {capital}.",
        "What country has {capital} as its capital?",
        "Tell me the country whose capital is {capital}.",
        "The city {capital} is the capital of what country?",
        "In which country is the capital {capital}?",
        "Give the country with the capital {capital}.",
        "Which country is governed from {capital}?",
        "What country is {capital} the capital of?",
        "Do you know the country whose capital is {capital}?",
        "Whose capital is {capital}?",
    ),
    probe=(
        "Please name the country with the capital {capital}.",
        "Which country's capital is {capital}?",
    ),
    test=(
        "Give me the country whose capital is {capital}.",
        "What is the country with the capital {capital}?",
        "{capital} is the capital of what country?",
        "Which country has {capital} as its capital?",
    ),
)


def sample(rng: Random, split: Split) -> Example:
    """Sample a fact of one of the three kinds in a phrasing of the split."""
    country, capital, continent = rng.choice(COUNTRIES)
    phrasings, answer, keyword = rng.choice(
        (
            (CAPITAL, capital, "capital"),
            (CONTINENT, continent, "continent"),
            (COUNTRY, country, "country"),
        )
    )
    question = phrasings.choose(rng, split).format(country=country, capital=capital)
    return Example(question, answer, ("geography", keyword))


SKILL = Skill("geography", "Capitals, their countries, and continents.", sample)
