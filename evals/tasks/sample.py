"""A question with its right answer, and a task: questions and how answers to them are scored."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evals.scoring.base import Scorer
from evals.scoring.batch import Scores, score_all
from evals.scoring.judge import Graded, JudgeOptions, judge_options
from evals.scoring.registry import JUDGE, make_scorer
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
        return list(self.scores(pairs).values)

    def scores(self, pairs: Sequence[tuple[Sample, str]]) -> Scores:
        """The same, with what went wrong; an answer whose scorer fails has 0.

        Raises ValueError where an expert has to grade.
        """
        values, problems = [0.0] * len(pairs), dict[int, str]()
        for name in dict.fromkeys(self._part(sample) for sample, _ in pairs):
            places = [i for i, (sample, _) in enumerate(pairs) if self._part(sample) == name]
            scorer = _scorer(self.parts.get(name, self.spec))
            found = score_all(scorer, [pairs[place] for place in places])
            for place, score in zip(places, found.values, strict=True):
                values[place] = score
            problems |= {places[place]: words for place, words in found.problems.items()}
        return Scores(tuple(values), problems)

    def owner(self, experts: Collection[str]) -> str | None:
        """The expert whose skill the task tests; None where it is none of these."""
        name = self.spec.expert or self.name
        return name if name in experts else None

    def spec_of(self, sample: Sample) -> TaskSpec:
        """How a question's answers are scored."""
        return self.parts.get(self._part(sample), self.spec)

    @property
    def specs(self) -> tuple[TaskSpec, ...]:
        """Every way in which its answers are scored."""
        return tuple(self.parts.values()) or (self.spec,)

    def judge_of(self, sample: Sample) -> JudgeOptions | None:
        """Who grades the answers to a question; None where no expert has to."""
        spec = self.spec_of(sample)
        return judge_options(spec.scorer_options) if spec.scorer == JUDGE else None

    def graded(self, sample: Sample, text: str) -> Graded:
        """What a judge sees of an answer."""
        extract = self.spec_of(sample).extract
        return Graded(sample, sample.question, text if extract is None else extract.read(text))

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


def _scorer(spec: TaskSpec) -> Scorer:
    """The scorer of a task, which first reads what the task extracts."""
    scorer, extract = make_scorer(spec.scorer, spec.scorer_options), spec.extract
    if extract is None:
        return scorer
    return replace(
        scorer,
        rule=lambda sample, text: scorer.rule(sample, extract.read(text)),
        waits=scorer.waits or extract.regex is not None,
    )


def _rules(spec: TaskSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", include={"extract", "scorer", "scorer_options"})
