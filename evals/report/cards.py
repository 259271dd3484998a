"""Which answers a reader sees, and what is shown of each: failures first, and bounded."""

from collections.abc import Iterator, Sequence

from evals.report import words
from evals.report.reading import Run
from evals.report.sections import Card
from evals.report.statistics.scores import RIGHT
from evals.reporting.numbers import number
from evals.runs.record import Row

MOST_CARDS = 300
QUESTION_CHARS = 1500
ANSWER_CHARS = 1500
CANDIDATE_CHARS = 500
MOST_CANDIDATES = 12
ORDER = ("failed call", "wrong, an expert was right", "wrong", "right")


def cards(run: Run, most: int = MOST_CARDS) -> tuple[Card, ...]:
    """Failed calls, then what a better choice would have answered, then all else wrong, then right.

    Within each kind the subjects take turns, so that none fills the list.
    """
    known = _known(run.rows)
    kinds: dict[str, list[Row]] = {kind: [] for kind in ORDER}
    composed = {one.name for one in run.info.subjects if one.kind == "composition"}
    for row in run.rows:
        kinds[outcome(row, known if row.subject in composed else frozenset())].append(row)
    found: list[Card] = []
    for kind, rows in kinds.items():
        for row in _in_turns(rows, most - len(found)):
            found.append(_card(row, kind))
    return tuple(found)


def outcome(row: Row, known: frozenset[tuple[str, str]] = frozenset()) -> str:
    """What became of an answer; `known` has the questions that an expert alone answered right."""
    if row.error is not None:
        return ORDER[0]
    if row.score >= RIGHT:
        return ORDER[3]
    candidates = any(c.score is not None and c.score >= RIGHT for c in row.candidates)
    return ORDER[1] if candidates or (row.task, row.sample) in known else ORDER[2]


def _known(rows: Sequence[Row]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (row.task, row.sample)
        for row in rows
        if row.routed is None and not row.candidates and row.score >= RIGHT
    )


def _in_turns(rows: Sequence[Row], most: int) -> Iterator[Row]:
    waiting: dict[str, list[Row]] = {}
    for row in rows:
        own = waiting.setdefault(row.subject, [])
        if len(own) < most:
            own.append(row)
    depth = max(map(len, waiting.values()), default=0)
    turns = (own[k] for k in range(depth) for own in waiting.values() if k < len(own))
    for row, _ in zip(turns, range(most), strict=False):
        yield row


def _card(row: Row, kind: str) -> Card:
    draw = f", draw {row.draw}" if row.draw else ""
    tags = [f"score {row.score:g}", f"{number(row.seconds)} s"]
    if row.expert is not None and row.expert != row.subject:
        tags.append(f"by {words.name(row.expert)}")
    if row.confidence is not None:
        tags.append(f"confidence {words.percent(row.confidence)} %")
    if row.routed is not None:
        tags += _routed(row)
    texts = [("question", words.shortened(row.question, QUESTION_CHARS))]
    if row.gold:
        texts.append(("right answer", words.shortened(row.gold, CANDIDATE_CHARS)))
    if row.error is not None:
        texts.append(("error", words.shortened(row.error, CANDIDATE_CHARS)))
    texts.append(("answer", words.shortened(row.answer, ANSWER_CHARS)))
    for one in row.candidates[:MOST_CANDIDATES]:
        said = "" if one.score is None else f", score {one.score:g}"
        texts.append((f"{one.expert}{said}", words.shortened(one.text, CANDIDATE_CHARS)))
    return Card(
        title=f"{words.name(row.subject)}: {words.name(row.sample)}{draw}",
        outcome=kind,
        subject=words.name(row.subject),
        category=words.name(row.category),
        tags=tuple(tags),
        texts=tuple((words.name(label), words.visible(text)) for label, text in texts),
    )


def _routed(row: Row) -> Iterator[str]:
    assert row.routed is not None
    scores = sorted(row.routed.scores.items(), key=lambda item: -item[1])[:4]
    if scores:
        listed = ", ".join(f"{words.name(e, 24)} {score:.2f}" for e, score in scores)
        yield f"{words.name(row.routed.router, 24)}: {listed}"
    if row.routed.fallback is not None:
        yield f"fallback {words.name(row.routed.fallback)}"
