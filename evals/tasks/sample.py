"""A question with its right answer, and a task: questions and how answers to them are scored."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.tasks.scorers import score_all
from evals.tasks.spec import Split, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question."""

    id: str
    """Unique among all tasks: it begins with the task's name."""
    split: Split
    question: str
    """The prompt as it is asked, examples included."""
    answer: str
    category: str = ""
    keywords: tuple[str, ...] = ()
    """The skills that it needs."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the scorer needs besides."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its questions."""

    spec: TaskSpec
    rows: tuple[Sample, ...]
    parts: Mapping[str, TaskSpec] = field(default_factory=dict)
    """Category -> how its answers are scored, where categories differ in that."""

    @property
    def name(self) -> str:
        """The name under which tables show it."""
        return self.spec.name

    @property
    def digest(self) -> str:
        """Changes with the questions, the prompts, and what counts as right."""
        rows = [
            [row.id, row.split, row.question, row.answer, row.category, dict(row.fields)]
            for row in self.rows
        ]
        rules = {name: _rules(spec) for name, spec in {"": self.spec, **self.parts}.items()}
        text = json.dumps([self.spec.system, rules, rows], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def samples(self, split: Split) -> tuple[Sample, ...]:
        """The questions of one split, in the file's order."""
        return tuple(row for row in self.rows if row.split == split)

    def body(self, sample: Sample) -> dict[str, Any]:
        """The body of a chat completion that asks the question, without its model."""
        spec = self.spec
        said = (sample.question, spec.system, spec.max_tokens, spec.temperature, spec.stop)
        return chat_body(*said)

    def score(self, sample: Sample, text: str) -> float:
        """Quality of an answer in 0..1."""
        return self.score_all([(sample, text)])[0]

    def score_all(self, pairs: Sequence[tuple[Sample, str]]) -> list[float]:
        """Quality of many answers in 0..1, in their order; some scorers are faster in batches."""
        scores = [0.0] * len(pairs)
        for name in dict.fromkeys(self._part(sample) for sample, _ in pairs):
            rules = self.parts.get(name, self.spec)
            places = [i for i, (sample, _) in enumerate(pairs) if self._part(sample) == name]
            texts = [pairs[i][1] for i in places]
            if rules.extract is not None:
                texts = [rules.extract.read(text) for text in texts]
            asked = [(pairs[i][0], text) for i, text in zip(places, texts, strict=True)]
            found = score_all(rules.scorer, rules.scorer_options, asked)
            for place, score in zip(places, found, strict=True):
                scores[place] = score
        return scores

    def owner(self, experts: Collection[str]) -> str | None:
        """The expert whose skill the task tests; None where it is none of these."""
        name = self.spec.expert or self.name
        return name if name in experts else None

    def _part(self, sample: Sample) -> str:
        return sample.category if sample.category in self.parts else ""


def chat_body(
    text: str, system: str | None, max_tokens: int, temperature: float, stop: Sequence[str]
) -> dict[str, Any]:
    """The body of a chat completion, without its model."""
    before = [] if system is None else [{"role": "system", "content": system}]
    body: dict[str, Any] = {
        "messages": [*before, {"role": "user", "content": text}],
        "max_tokens": max_tokens,
        "temperature": temperature,
    }
    return {**body, "stop": list(stop)} if stop else body


def score_many(answers: Sequence[tuple[Task, Sample, str]]) -> list[float]:
    """Quality of answers to several tasks in 0..1, in their order; one batch for each task."""
    places: dict[str, list[int]] = {}
    for place, (task, _, _) in enumerate(answers):
        places.setdefault(task.name, []).append(place)
    scores = [0.0] * len(answers)
    for own in places.values():
        task = answers[own[0]][0]
        found = task.score_all([answers[place][1:] for place in own])
        for place, score in zip(own, found, strict=True):
            scores[place] = score
    return scores


def _rules(spec: TaskSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", include={"extract", "scorer", "scorer_options"})
