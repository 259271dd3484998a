"""How often our scorers agree with the verdicts that recorded answers came with.

    python -m evals.scoring.agreement PREFIX [BENCHMARK ...] [--show N]

PREFIX_queries, _outcomes and _responses.parquet are the tables of recorded models.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.scoring.batch import score_all
from evals.scoring.records.rules import rule_of
from evals.scoring.registry import make_scorer
from experts.replay import read_table

SHOWN_CHARACTERS = 300

_JSON_ANSWER = {"json_key": "answer", "which": "first", "lenient": True}
_LAST_NUMBER = {"regex": r"-?\d+(?:\.\d+)?", "which": "last", "remove": ","}
_AFTER_ANSWER = {
    "regex": r"(?i)(?:answer|sorted list|words)(?: (?:is|are))?\W*?:?[\s*]*([^\n]+?)\.?\**\.?$",
    "multiline": True,
    "remove": "`,",
}
Reading = tuple[str, Mapping[str, Any]]
READ_AS: Mapping[str, Reading] = {
    "gsm8k": ("number", {"extract": [_JSON_ANSWER, _LAST_NUMBER]}),
    "math_level5": ("latex", {"extract": [_JSON_ANSWER]}),
    "cruxeval_o": ("literal", {"extract": [_JSON_ANSWER]}),
    "math_500": ("latex", {}),
    "mgsm_en": ("number", {}),
    "mmlu_pro": ("choice", {}),
    "humaneval": ("code", {}),
    "mbpp": ("code", {}),
}
"""Benchmark -> the scorer and options that read the answers as its prompt asked for them."""

_BBH: Mapping[str, Reading] = {
    "boolean_expressions": ("label", {"labels": ["True", "False"]}),
    "causal_judgement": ("label", {"labels": ["Yes", "No"]}),
    "formal_fallacies": ("label", {"labels": ["valid", "invalid"]}),
    "navigate": ("label", {"labels": ["Yes", "No"]}),
    "sports_understanding": (
        "label",
        {
            "labels": ["yes", "no"],
            "synonyms": {"plausible": "yes", "implausible": "no", "not plausible": "no"},
        },
    ),
    "web_of_lies": (
        "label",
        {
            "labels": ["Yes", "No"],
            "synonyms": {
                "tells the truth": "Yes",
                "does not tell the truth": "No",
                "is lying": "No",
                "lies": "No",
            },
        },
    ),
    "multistep_arithmetic_two": ("number", {}),
    "object_counting": ("number", {}),
    "dyck_languages": ("text", {"extract": [_AFTER_ANSWER]}),
    "word_sorting": ("text", {"extract": [_AFTER_ANSWER]}),
}
"""Task -> how BIG-Bench Hard's answers are read; those of the other tasks are options."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What a model answered, and what the record says of it."""

    id: str
    benchmark: str
    task: str
    model: str
    answer: str
    fields: Mapping[str, Any]
    text: str
    correct: bool
    recorded: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one benchmark: how many verdicts are equal, and those that are not."""

    benchmark: str
    answers: int
    too_good: tuple[RecordedAnswer, ...]
    """Right for us, wrong in the record."""
    too_bad: tuple[RecordedAnswer, ...]
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Rules of the record that make it differ -> how often; see `records/rules.py`."""

    @property
    def share(self) -> float:
        """Of equal verdicts."""
        return 1 - (len(self.too_good) + len(self.too_bad)) / self.answers

    @property
    def explained_share(self) -> float:
        """Of equal verdicts, among the answers that no rule of the record decides otherwise."""
        explained = sum(self.reasons.values())
        differ = len(self.too_good) + len(self.too_bad) - explained
        return 1 - differ / (self.answers - explained)


def read_answers(prefix: str, benchmarks: Sequence[str] = ()) -> list[RecordedAnswer]:
    """Every recorded answer with a text and a verdict, of some benchmarks or all."""
    queries = _by_id(_rows(prefix, "queries", ("query_id", "benchmark", "gold", "query", "note")))
    responses = {
        (row["query_id"], row["model"]): row["response"]
        for row in _rows(prefix, "responses", ("query_id", "model", "response"))
    }
    found = []
    for row in _rows(prefix, "outcomes", ("query_id", "model", "correct", "pred")):
        query, text = queries[row["query_id"]], responses.get((row["query_id"], row["model"]))
        benchmark = query["benchmark"]
        if text is None or row["correct"] is None or (benchmarks and benchmark not in benchmarks):
            continue
        fields = _fields(benchmark, query)
        answer = RecordedAnswer(
            row["query_id"],
            benchmark,
            str(query.get("note")),
            row["model"],
            query["gold"],
            fields,
            text,
            bool(row["correct"]),
            str(row["pred"]),
        )
        found.append(answer)
    return found


def agreement(answers: Iterable[RecordedAnswer]) -> list[Agreement]:
    """For each benchmark, our verdict beside the record's."""
    groups: dict[str, list[RecordedAnswer]] = defaultdict(list)
    for one in answers:
        groups[one.benchmark].append(one)
    found = []
    for benchmark, group in groups.items():
        started = time.perf_counter()
        verdicts = list(_verdicts(group))
        differ = [one for one, right in verdicts if right != one.correct]
        rules = (
            rule_of(one.benchmark, one.task, one.recorded, one.text, correct=one.correct)
            for one in differ
        )
        found.append(
            Agreement(
                benchmark,
                len(group),
                tuple(one for one, right in verdicts if right and not one.correct),
                tuple(one for one, right in verdicts if not right and one.correct),
                time.perf_counter() - started,
                Counter(rule for rule in rules if rule is not None),
            )
        )
    return found


def _verdicts(group: Sequence[RecordedAnswer]) -> Iterator[tuple[RecordedAnswer, bool]]:
    """Each answer, and whether it is right for us."""
    by_task: dict[str, list[RecordedAnswer]] = defaultdict(list)
    for one in group:
        by_task[one.task if one.benchmark == "bbh" else one.benchmark].append(one)
    for task, answers in by_task.items():
        name, options = READ_AS.get(task) or _BBH.get(task) or ("choice", {})
        scores = score_all(make_scorer(name, options), [(one, one.text) for one in answers])
        yield from zip(answers, (score == 1 for score in scores.values), strict=True)


def _rows(prefix: str, table: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        read_table(f"{prefix}_{table}.parquet", columns).select(columns).to_pylist()
    )
    return rows


def _by_id(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["query_id"]: row for row in rows}


def _fields(benchmark: str, query: Mapping[str, Any]) -> dict[str, Any]:
    if benchmark == "humaneval":
        entry = query["note"]
        tests = f"{query['gold']}\ncheck({entry})"
        return {"prefix": query["query"], "entry_point": entry, "tests": tests}
    if benchmark == "mbpp":
        # The prompt ends with the head of the function.
        begun = query["query"].rstrip().rsplit("\n", 1)[-1]
        return {"tests": query["gold"], "prefix": begun if begun.startswith("def ") else ""}
    return {}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prefix")
    parser.add_argument("benchmarks", nargs="*")
    parser.add_argument("--show", type=int, default=0, help="disagreements of each kind")
    chosen = parser.parse_args()
    print("benchmark     answers  agree %  but for its rules %  only we  only the record  seconds")
    for one in agreement(read_answers(chosen.prefix, chosen.benchmarks)):
        print(
            f"{one.benchmark:12} {one.answers:8} {100 * one.share:8.2f}"
            f" {100 * one.explained_share:20.2f} {len(one.too_good):8} {len(one.too_bad):16}"
            f" {one.seconds:8.1f}"
        )
        for rule, count in sorted(one.reasons.items()):
            print(f"    {count:6} differ because {rule}")
        for kind, answers in (("we", one.too_good), ("record", one.too_bad)):
            for answer in answers[: chosen.show]:
                end = " ".join(answer.text[-SHOWN_CHARACTERS:].split())
                print(f"  only {kind}: {answer.id} {answer.model}: gold {answer.answer!r}")
                print(f"    recorded {answer.recorded!r}; its end: {end!r}")


if __name__ == "__main__":
    main()
