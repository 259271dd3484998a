"""Conversations made of a task's questions, and whom rules of reading them would ask.

Follow-ups are elliptic: only what differs from the question before is said ("And Peru?"). After a
switch of the subject the last turn is a whole question, and what precedes it must not count.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from evals.client.progress import Progress
from evals.tasks.task import Sample, Task, find_tasks
from experts.errors import ConfigError
from experts.types import Request
from orchestrator.cli.router_fitting import fittable
from orchestrator.config.model import Config
from routers.base import Decision, Encoder, Router
from routers.features import MiniLMEncoder
from routers.reading import reading
from routers.registry import build

FRAMES = (
    "And {}?",
    "Now with {}.",
    "What about {}?",
    "{}?",
    "The same for {}, please.",
    "How about {}?",
)
SINGLE, FOLLOW_UP, SECOND = "single", "follow-up", "2nd follow-up"
SWITCH, AFTER_SWITCH = "switch", "after a switch"
KINDS = (SINGLE, FOLLOW_UP, SECOND, SWITCH, AFTER_SWITCH)
SERVED = "as served"
KEPT = 100_000
"""Texts whose vectors are kept: those of all conversations, so that each is embedded once."""
MEAN = "\0"
"""Between texts of which the mean of the vectors is wanted."""

_QUOTED = re.compile(r'"[^"]+"')
_NUMBER = re.compile(r"\d+(?::\d+)?")
_NAME = re.compile(r"(?<=[^.?!] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of the user and the assistant by turns, and the expert that should answer the last."""

    kind: str
    turns: tuple[str, ...]
    expert: str

    @property
    def said(self) -> tuple[str, ...]:
        """The user's turns."""
        return self.turns[::2]

    def request(self) -> Request:
        """What a client would send."""
        roles = ("user", "assistant")
        body = [{"role": roles[n % 2], "content": turn} for n, turn in enumerate(self.turns)]
        return Request(" ".join(self.turns), "chat/completions", {"messages": body})


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of right experts of one rule with one router, by the kind of conversation."""

    router: str
    rule: str
    shares: Mapping[str, float]


Rule = Callable[[Conversation], Request]


def _text(choose: Callable[[Conversation], str]) -> Rule:
    """The rule that has one text read, whatever was said before."""
    return lambda one: Request(one.request().id, "completions", {"prompt": choose(one)})


RULES: Mapping[str, Rule] = {
    "last turn alone": _text(lambda one: one.said[-1]),
    "with the turn before": _text(lambda one: "\n".join(one.said[-2:])),
    "mean of the two": _text(lambda one: MEAN.join(one.said[-2:])),
    "with those it leans on": _text(lambda one: reading(one.request())),
    SERVED: lambda one: one.request(),
}


class Means:
    """An encoder that also gives the mean of several texts' vectors, of length one."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.dimension = encoder.dimension

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), dimension], rows of length one."""
        rows = self._encoder.encode([text.partition(MEAN)[0] for text in texts])
        for row, text in enumerate(texts):
            if MEAN in text:
                mean = self._encoder.encode(text.split(MEAN)).sum(axis=0)
                rows[row] = mean / np.linalg.norm(mean)
        return rows


def measure(settings: Config, names: Sequence[str], progress: Progress) -> list[Shares]:
    """Route the conversations by every rule, with every fitted router. Raises ConfigError."""
    routers = fittable(settings)
    if not routers:
        raise ConfigError("The configuration has no router that is fitted from outcomes.")
    experts = tuple(settings.experts)
    made = conversations(find_tasks(names), experts)
    encoder = Means(MiniLMEncoder(cache_size=KEPT))
    found = []
    for number, name in enumerate(routers):
        router = build(name, settings.routers[name], experts, lambda: encoder)
        for place, (rule, apply) in enumerate(RULES.items()):
            done = number * len(RULES) + place
            progress.doing(f"{name}: {rule}", done, len(routers) * len(RULES))
            found.append(Shares(name, rule, _shares(router, apply, made)))
    return found


def conversations(tasks: Sequence[Task], experts: Sequence[str]) -> list[Conversation]:
    """Of each kind, one for each question of the later half of the tasks' test questions.

    The earlier half is what the words and the bound of the rule were chosen by. Raises ConfigError
    where there is nothing to switch between.
    """
    owned = [(owner, _later_half(task)) for task in tasks if (owner := task.owner(experts))]
    if len({owner for owner, _ in owned}) < 2:
        raise ConfigError(
            "Conversations change their subject: name tasks of two experts or more.",
            hint="A task says by `skill` which expert's own it is.",
        )
    draw, found = Random(0), []
    for owner, samples in owned:
        others = [rows for other, rows in owned if other != owner]
        for number in range(len(samples)):
            before = draw.choice(draw.choice(others))
            turned = samples[number:] + samples[:number]
            found += _of_question(turned, owner, before, draw)
    return found


def differing(question: str) -> str:
    """What a question asks about, for a follow-up: quotations, else numbers, else names."""
    for pattern in (_QUOTED, _NUMBER, _NAME):
        if found := list(dict.fromkeys(pattern.findall(question))):
            return " and ".join(found) if len(found) < 3 else ", ".join(found)
    return ""


def _later_half(task: Task) -> list[Sample]:
    samples = list(task.samples("test"))
    return samples[len(samples) // 2 :]


def _of_question(
    samples: Sequence[Sample], owner: str, other: Sample, draw: Random
) -> list[Conversation]:
    """The conversations that begin with the first of a task's samples, or switch to it."""
    first, second, third = samples[0], samples[1 % len(samples)], samples[2 % len(samples)]
    begun = (first.question, first.answer)
    before = (other.question, other.answer)
    found = [
        Conversation(SINGLE, begun[:1], owner),
        Conversation(SWITCH, (*before, first.question), owner),
    ]
    asked = [differing(sample.question) for sample in (second, third)]
    if all(asked):
        more, again = (draw.choice(FRAMES).format(what) for what in asked)
        found += [
            Conversation(FOLLOW_UP, (*begun, more), owner),
            Conversation(SECOND, (*begun, more, second.answer, again), owner),
            Conversation(AFTER_SWITCH, (*before, *begun, more), owner),
        ]
    return found


def _shares(router: Router, rule: Rule, made: Sequence[Conversation]) -> dict[str, float]:
    decisions = router.route([rule(one) for one in made])
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for one, decision in zip(made, decisions, strict=True):
        right[one.kind].append(chosen(decision) == one.expert)
    return {kind: float(np.mean(all)) for kind, all in right.items()}


def chosen(decision: Decision) -> str | None:
    """Who answers first; None where nobody does."""
    return None if decision.fallback == "abstain" else decision.scores[0][0]
