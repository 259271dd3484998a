"""Writes runs of made-up experts, a router and a vote, without asking anybody."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.runs.record import (
    RUN_FILE,
    SAMPLES_FILE,
    Candidate,
    ExpertInfo,
    LoadEvent,
    Routed,
    Row,
    RunInfo,
    SubjectInfo,
    TaskInfo,
    Tokens,
    Totals,
)

EXPERTS = ("alpha", "beta", "gamma")
COMPOSITIONS = ("pool/auto", "pool/council")
CATEGORIES = ("algebra", "history", "law")


@dataclass(frozen=True)
class Setting:
    """What a made-up run is like: `alpha` knows the first category, and so on."""

    questions: int = 30
    tasks: tuple[str, ...] = ("sums",)
    samples: int = 1
    seed: int = 7
    config: str = "sha256:0123456789abcdef"
    known: float = 0.9
    unknown: float = 0.4
    luck: int = 0
    text: str = "The answer is {}."


def info(setting: Setting, *, finished: bool = True) -> RunInfo:
    """The head of the run."""
    loads = tuple(
        LoadEvent(expert=name, slot=f"slot-{k % 2}", at_s=20.0 * k, seconds=2.5)
        for k, name in enumerate((*EXPERTS, "alpha"))
    )
    totals = Totals(
        seconds=90.0, calls=500, asked=300, cached=200, price_usd=0.12, loads=loads,
        tokens=Tokens(prompt=9000, completion=4000),
    )  # fmt: skip
    return RunInfo(
        created="2026-01-02T03:04:05Z",
        config=setting.config,
        seed=setting.seed,
        samples=setting.samples,
        subjects=(
            *(SubjectInfo(name=name, kind="composition") for name in COMPOSITIONS),
            *(SubjectInfo(name=name, kind="expert") for name in EXPERTS),
        ),
        experts={
            name: ExpertInfo(version="1", price_usd_per_mtok=k + 0.5)
            for k, name in enumerate(EXPERTS)
        },
        tasks=tuple(
            TaskInfo(name=t, version=1, digest=f"d-{t}", questions=setting.questions, scorer="text")
            for t in setting.tasks
        ),
        totals=totals if finished else None,
    )


def rows(setting: Setting) -> list[Row]:
    """Every subject's answers; a router that knows the categories, and a vote of all."""
    chance = random.Random(f"{setting.seed}/{setting.luck}")
    found: dict[str, list[Row]] = {name: [] for name in (*COMPOSITIONS, *EXPERTS)}
    for task in setting.tasks:
        for number in range(setting.questions):
            for draw in range(setting.samples):
                for row in _question(setting, chance, task, number, draw):
                    found[row.subject].append(row)
    return [row for own in found.values() for row in own]


def _question(
    setting: Setting, chance: random.Random, task: str, number: int, draw: int
) -> Iterable[Row]:
    place = number % len(CATEGORIES)
    right = [
        chance.random() < (setting.known if k == place else setting.unknown)
        for k in range(len(EXPERTS))
    ]
    said = [setting.text.format(number if good else f"{number}{k}") for k, good in enumerate(right)]
    common = dict(
        task=task, sample=f"{task}-{number}", draw=draw, category=CATEGORIES[place],
        question=f"What is {number} + 0?", gold=str(number),
    )  # fmt: skip
    for k, name in enumerate(EXPERTS):
        yield Row.model_validate(
            {**common, **_asked([k]), "subject": name, "answer": said[k], "score": float(right[k]),
             "expert": name, "seconds": 0.5 + k}
        )  # fmt: skip
    scores = {n: setting.known if k == place else setting.unknown for k, n in enumerate(EXPERTS)}
    yield Row.model_validate(
        {**common, **_asked([place]), "subject": "pool/auto", "answer": said[place],
         "score": float(right[place]), "expert": EXPERTS[place], "seconds": 0.6,
         "routed": Routed(router="near", scores=scores, panel=(EXPERTS[place],))}
    )  # fmt: skip
    votes = sum(right)
    best = right.index(True) if votes >= 2 else right.index(False) if votes < 3 else 0
    yield Row.model_validate(
        {**common, **_asked(range(3)), "subject": "pool/council", "answer": said[best],
         "score": float(right[best]), "seconds": 2.5, "confidence": max(votes, 3 - votes) / 3.5,
         "routed": Routed(router="near", scores=scores, panel=EXPERTS),
         "candidates": tuple(
             Candidate(expert=n, text=said[k], score=float(right[k]))
             for k, n in enumerate(EXPERTS)
         )}
    )  # fmt: skip


def _asked(experts: Iterable[int]) -> dict[str, object]:
    chosen = list(experts)
    return {
        "calls": {EXPERTS[k]: 1 for k in chosen},
        "tokens": {EXPERTS[k]: Tokens(prompt=20, completion=10) for k in chosen},
        "price_usd": sum(30e-6 * (k + 0.5) for k in chosen),
    }


def write_run(folder: Path, head: RunInfo, lines: Sequence[Row]) -> Path:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN_FILE).write_text(head.model_dump_json(), encoding="utf-8")
    written = "".join(json.dumps(row.model_dump(mode="json")) + "\n" for row in lines)
    (folder / SAMPLES_FILE).write_text(written, encoding="utf-8")
    return folder


def make_run(folder: Path, setting: Setting | None = None) -> Path:
    """Write a whole run."""
    chosen = setting or Setting()
    return write_run(folder, info(chosen), rows(chosen))
