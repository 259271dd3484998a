"""Extraction: the facts of a sentence as a JSON object with the keys that were asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from experts.real.skills.lesson import Lesson, LessonSkill
from experts.zoo.skills.base import Split, draw

Facts = dict[str, str | int]

FIRST = ("Maria", "Omar", "Lena", "Tom", "Aisha", "Paul", "Yuki", "Carlos", "Nora", "Victor")
LAST = ("Lopez", "Haddad", "Berg", "Miller", "Khan", "Novak", "Tanaka", "Rossi", "Olsen", "Silva")
CITIES = ("Oslo", "Lisbon", "Denver", "Kyoto", "Cairo", "Prague", "Lima", "Dublin", "Porto", "Riga")
JOBS = ("nurse", "teacher", "pilot", "baker", "lawyer", "plumber", "painter", "farmer")
ITEMS = ("lamp", "chair", "kettle", "backpack", "keyboard", "blanket", "mirror", "bicycle")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
TOPICS = ("budget", "hiring", "safety", "marketing", "research", "training")

ORDERS = (
    "Extract {keys} as JSON: {text}",
    "Read the text and give {keys} as a JSON object. Text: {text}",
    "{text} Write {keys} from this text as JSON.",
    "Return a JSON object with {keys}. {text}",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Sentences that state the same facts."""

    propose: Callable[[Random], Facts]
    sentences: tuple[str, ...]


def _person(rng: Random) -> Facts:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    return {
        "name": name,
        "age": rng.randint(18, 89),
        "city": rng.choice(CITIES),
        "job": rng.choice(JOBS),
    }


def _order(rng: Random) -> Facts:
    return {
        "customer": f"{rng.choice(FIRST)} {rng.choice(LAST)}",
        "item": rng.choice(ITEMS),
        "quantity": rng.randint(2, 40),
        "price": rng.randint(5, 250),
    }


def _meeting(rng: Random) -> Facts:
    return {
        "topic": rng.choice(TOPICS),
        "day": rng.choice(DAYS),
        "time": f"{rng.randint(8, 18):02d}:{rng.choice((0, 15, 30, 45)):02d}",
        "room": rng.randint(101, 499),
    }


KINDS = (
    Kind(
        _person,
        (
            "{name} is {age} years old, lives in {city} and works as a {job}.",
            "At {age}, {name} moved to {city} to work as a {job}.",
            "The {job} {name}, {age}, comes from {city}.",
        ),
    ),
    Kind(
        _order,
        (
            "{customer} ordered {quantity} of the {item} at {price} euros each.",
            "We sold {quantity} units of the {item} to {customer} for {price} euros apiece.",
            "Order: {item}, {quantity} pieces, {price} euros each, for {customer}.",
        ),
    ),
    Kind(
        _meeting,
        (
            "The {topic} meeting is on {day} at {time} in room {room}.",
            "On {day} we talk about {topic} in room {room}, starting at {time}.",
            "Room {room} is booked for the {topic} meeting, {day}, {time}.",
        ),
    ),
)


def _propose(rng: Random) -> tuple[Kind, Facts]:
    kind = rng.choice(KINDS)
    return kind, kind.propose(rng)


def _operands(drawn: tuple[Kind, Facts]) -> tuple[object, ...]:
    return tuple(drawn[1].values())


def _listed(keys: list[str]) -> str:
    *others, last = keys
    return f"{', '.join(others)} and {last}"


def lesson(rng: Random, split: Split) -> Lesson:
    """One sentence, of which two or more facts are asked for, in any order."""
    kind, facts = draw(rng, split, _propose, _operands)
    keys = rng.sample(sorted(facts), rng.randint(2, len(facts)))
    text = rng.choice(kind.sentences).format(**facts)
    question = rng.choice(ORDERS).format(keys=_listed(keys), text=text)
    reply = json.dumps({key: facts[key] for key in keys})
    return Lesson(question, reply, reply, ("extraction", "JSON"))


SKILL = LessonSkill("extraction", "Write facts of a sentence as a JSON object.", "json", 64, lesson)
