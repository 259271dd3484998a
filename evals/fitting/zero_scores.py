"""Warnings about experts that score 0 throughout: mostly it is how answers are scored."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aggregators.answers.values import NUMBER
from evals.fitting.probes import Probe
from evals.scoring.registry import make_scorer
from evals.tasks.task import Task
from routers.outcomes import OutcomeTable

IN_SENTENCES = ("number", "choice", "contains")
"""Scorers that read answers in sentences, and cost no more than `exact` does."""
LEAST_SHARE = 0.2
"""Share of answers that another scorer must find right before it is recommended."""
SHOWN_CHARACTERS = 60


class _Scored(NamedTuple):
    probe: Probe
    text: str
    score: float


def zero_score_warnings(
    table: OutcomeTable, versions: Mapping[str, str], probes: Sequence[Probe]
) -> tuple[str, ...]:
    """A sentence for every expert and task whose scores are all 0 though many answers are right.

    And one for every expert that is never right, however it is scored.
    """
    warnings: list[str] = []
    for expert, by_task in _scored(table, versions, probes).items():
        found = [
            sentence
            for answers in by_task.values()
            if not any(one.score for one in answers)
            and (sentence := _in_sentences(expert, answers))
        ]
        everything = [one for answers in by_task.values() for one in answers]
        if not found and not any(one.score for one in everything):
            found = [_never_right(expert, everything)]
        warnings += found
    return tuple(warnings)


def _scored(
    table: OutcomeTable, versions: Mapping[str, str], probes: Sequence[Probe]
) -> dict[str, dict[str, list[_Scored]]]:
    """Expert -> task -> its answers to the probes."""
    probe_of = {probe.sample.id: probe for probe in probes}
    found: dict[str, dict[str, list[_Scored]]] = defaultdict(lambda: defaultdict(list))
    columns = ("query_id", "expert", "expert_version", "text", "score")
    for row in table.rows.select(columns).to_pylist():
        probe = probe_of.get(row["query_id"])
        if probe is not None and versions.get(row["expert"]) == row["expert_version"]:
            one = _Scored(probe, row["text"], row["score"])
            found[row["expert"]][probe.task.name].append(one)
    return found


def _in_sentences(expert: str, answers: Sequence[_Scored]) -> str | None:
    task = answers[0].probe.task
    shares = {name: _share(name, answers) for name in _fitting(task, answers)}
    best = max(shares, key=lambda name: shares[name], default=None)
    if best is None or shares[best] < LEAST_SHARE:
        return None
    how = "exact text" if task.spec.scorer == "exact" else f"by `{task.spec.scorer}`"
    return (
        f"{expert} scored 0 on {_all(answers)} of {task.name}, but"
        f" {shares[best]:.0%} of its answers are right by the scorer `{best}`: it answers in"
        f" sentences; this task scores {how}. Set `scorer: {best}` in the YAML file of the task"
        f" {task.name} and profile again: answers that are there are scored, not asked, again."
    )


def _fitting(task: Task, answers: Sequence[_Scored]) -> tuple[str, ...]:
    """The scorers that make sense for the right answers of a task, but for its own."""
    right = [one.probe.sample.answer.strip() for one in answers]
    fits = {
        "number": all(NUMBER.fullmatch(answer) for answer in right),
        "choice": all(len(answer) == 1 and answer in "ABCDEFGHIJ" for answer in right),
        "contains": all(right),
    }
    return tuple(name for name in IN_SENTENCES if fits[name] and name != task.spec.scorer)


def _share(scorer: str, answers: Sequence[_Scored]) -> float:
    score = make_scorer(scorer)
    return sum(score(one.probe.sample, one.text) for one in answers) / len(answers)


def _all(answers: Sequence[_Scored]) -> str:
    return "its one question" if len(answers) == 1 else f"all {len(answers)} questions"


def _never_right(expert: str, answers: Sequence[_Scored]) -> str:
    tasks = ", ".join(dict.fromkeys(one.probe.task.name for one in answers))
    first = answers[0]
    said = " ".join(first.text.split())[:SHOWN_CHARACTERS]
    return (
        f"{expert} scored 0 on {_all(answers)} ({tasks}), so no router will choose it."
        f" To {first.probe.sample.question[:SHOWN_CHARACTERS]!r} it says {said!r}; right is"
        f" {first.probe.sample.answer[:SHOWN_CHARACTERS]!r}."
    )
