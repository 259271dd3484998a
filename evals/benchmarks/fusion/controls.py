"""What else could be done with the same members: one of them per question, or a vote."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sklearn.linear_model import LogisticRegression

from evals.client.worker.answers import Answers, Scores
from evals.tasks.task import Task
from experts.types import Request
from routers.base import Encoder
from routers.knn import KnnRouter
from routers.outcomes import Outcome, OutcomeTable

VERSION = "as fused"


def best_member(probe: Sequence[Answers]) -> str:
    """The member with the best mean over all probe questions; ties go to the first."""
    return max(probe, key=lambda member: sum(member.flat())).name


def controls(
    tasks: Sequence[Task],
    probe: Sequence[Answers],
    test: Sequence[Answers],
    encoder: Encoder,
    voters: int | None = None,
) -> dict[str, Scores]:
    """Scores on the test questions of every way to use whole answers of the members.

    `probe` and `test` hold each member's answers to the two splits; what is fitted is fitted on
    the probe split alone. The per-query oracle is the bound of every query-level router. With
    `voters`, so many of the members, the best on the probes, vote as well.
    """
    best = best_member(probe)
    ranked = sorted(test, key=lambda m: -sum(_named(probe, m.name).flat()))
    few = {f"plurality vote of {voters}": vote(tasks, ranked[:voters])} if voters else {}
    return {
        f"best single ({best})": _named(test, best).scores,
        "random": _each(tasks, test, statistics.fmean),
        "kNN router": _chosen(tasks, test, knn_choices(tasks, probe, encoder)),
        "domain classifier": _chosen(tasks, test, domain_choices(tasks, probe, encoder)),
        "plurality vote": vote(tasks, ranked),
        **few,
        "per-query oracle": _each(tasks, test, max),
    }


def knn_choices(
    tasks: Sequence[Task], probe: Sequence[Answers], encoder: Encoder
) -> dict[str, list[str]]:
    """Whom the nearest-neighbour router asks each test question, by task."""
    rows = [
        Outcome(sample.id, task.name, sample.question, member.name, VERSION, score)
        for member in probe
        for task in tasks
        for sample, score in zip(task.samples("probe"), member.scores[task.name], strict=True)
    ]
    with TemporaryDirectory(prefix="coterie-outcomes-") as folder:
        path = Path(folder) / "outcomes.parquet"
        OutcomeTable.from_rows(rows).write(path)
        config = KnnRouter.Config(type="knn", outcomes=path)
        router = KnnRouter("knn", config, [member.name for member in probe], lambda: encoder)
    return {
        task.name: [decision.scores[0][0] for decision in router.route(_requests(task))]
        for task in tasks
    }


def domain_choices(
    tasks: Sequence[Task], probe: Sequence[Answers], encoder: Encoder
) -> dict[str, list[str]]:
    """Whom a classifier of the task asks: logistic regression on the sentence embedding.

    Each task goes to the member that did best on its probe questions.
    """
    if len(tasks) == 1:
        return {t.name: [_best_on(t.name, probe)] * len(t.samples("test")) for t in tasks}
    texts = [sample.question for task in tasks for sample in task.samples("probe")]
    labels = [task.name for task in tasks for _ in task.samples("probe")]
    classifier = LogisticRegression(C=100.0, max_iter=1000).fit(encoder.encode(texts), labels)
    choices: dict[str, list[str]] = {}
    for task in tasks:
        asked = encoder.encode([sample.question for sample in task.samples("test")])
        choices[task.name] = [_best_on(str(name), probe) for name in classifier.predict(asked)]
    return choices


def vote(tasks: Sequence[Task], ranked: Sequence[Answers]) -> Scores:
    """The text that most members say, spaces aside; ties go to the better ranked member's."""
    scores: dict[str, tuple[float, ...]] = {}
    for task in tasks:
        columns = zip(*(member.texts[task.name] for member in ranked), strict=True)
        winners = [_plurality([" ".join(text.split()) for text in texts]) for texts in columns]
        scores[task.name] = tuple(map(task.score, task.samples("test"), winners))
    return scores


def _plurality(texts: Sequence[str]) -> str:
    # `most_common` keeps the order of first appearance among equals.
    return Counter(texts).most_common(1)[0][0]


def _best_on(task: str, probe: Sequence[Answers]) -> str:
    return max(probe, key=lambda member: sum(member.scores[task])).name


def _named(members: Sequence[Answers], name: str) -> Answers:
    return next(member for member in members if member.name == name)


def _each(tasks: Sequence[Task], members: Sequence[Answers], combine: object) -> Scores:
    assert callable(combine)
    return {
        task.name: tuple(map(combine, zip(*(m.scores[task.name] for m in members), strict=True)))
        for task in tasks
    }


def _chosen(
    tasks: Sequence[Task], members: Sequence[Answers], choices: Mapping[str, Sequence[str]]
) -> Scores:
    scores = {member.name: member.scores for member in members}
    return {
        task.name: tuple(scores[who][task.name][i] for i, who in enumerate(choices[task.name]))
        for task in tasks
    }


def _requests(task: Task) -> list[Request]:
    return [
        Request(s.id, "chat/completions", {"messages": [{"role": "user", "content": s.question}]})
        for s in task.samples("test")
    ]
