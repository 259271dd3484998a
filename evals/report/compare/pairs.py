"""Answers of two runs to the same questions, side by side. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evals.report.statistics.scores import RIGHT
from evals.runs.record import Row


@dataclass(frozen=True, slots=True)
class Pair:
    """One question's answers of one subject, in both runs; at least one draw in each."""

    task: str
    sample: str
    before: tuple[Row, ...]
    after: tuple[Row, ...]

    @property
    def before_score(self) -> float:
        """The mean of the draws."""
        return sum(row.score for row in self.before) / len(self.before)

    @property
    def after_score(self) -> float:
        """The mean of the draws."""
        return sum(row.score for row in self.after) / len(self.after)

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after_score - self.before_score

    @property
    def same(self) -> bool:
        """Whether both runs have the very same answers, with the same scores."""
        return _told(self.before) == _told(self.after)

    @property
    def lost(self) -> bool:
        """Right before, wrong after."""
        return self.before_score >= RIGHT > self.after_score

    @property
    def won(self) -> bool:
        """Wrong before, right after."""
        return self.after_score >= RIGHT > self.before_score


@dataclass(frozen=True, slots=True)
class Side:
    """What one run said: the draw that shows best what became of the question."""

    score: float
    answer: str
    expert: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Flip:
    """A question whose answer became wrong, or right."""

    subject: str
    task: str
    sample: str
    category: str
    question: str
    gold: str
    lost: bool
    before: Side
    after: Side


class Answers:
    """The rows of a run by subject, task and question."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, dict[tuple[str, str], list[Row]]] = {}
        self._questions: dict[str, dict[str, tuple[str, str]]] = {}
        for row in rows:
            own = self._rows.setdefault(row.subject, {})
            own.setdefault((row.task, row.sample), []).append(row)
            of_task = self._questions.setdefault(row.task, {})
            of_task.setdefault(row.sample, (row.question, row.gold))

    def of(self, subject: str) -> dict[tuple[str, str], list[Row]]:
        """(Task, sample) -> the draws of one subject."""
        return self._rows.get(subject, {})

    def questions(self, task: str) -> dict[str, tuple[str, str]]:
        """Sample -> its text and right answer."""
        return self._questions.get(task, {})


def pairs(before: Answers, after: Answers, subject: str) -> list[Pair]:
    """The questions that a subject has answered in both runs, in the order of the first."""
    others = after.of(subject)
    return [
        Pair(task, sample, tuple(own), tuple(others[task, sample]))
        for (task, sample), own in before.of(subject).items()
        if (task, sample) in others and _same(own[0], others[task, sample][0])
    ]


def flips(subject: str, found: Sequence[Pair]) -> list[Flip]:
    """What became wrong, then what became right."""
    order = [p for p in found if p.lost] + [p for p in found if p.won]
    return [_flip(subject, pair) for pair in order]


def _same(one: Row, other: Row) -> bool:
    return (one.question, one.gold) == (other.question, other.gold)


def _told(rows: Sequence[Row]) -> list[tuple[int, str, str | None, float]]:
    return sorted((row.draw, row.answer, row.error, row.score) for row in rows)


def _flip(subject: str, pair: Pair) -> Flip:
    first = pair.before[0]
    return Flip(
        subject, pair.task, pair.sample, first.category, first.question, first.gold, pair.lost,
        before=_side(pair.before, right=pair.lost), after=_side(pair.after, right=not pair.lost),
    )  # fmt: skip


def _side(rows: Sequence[Row], *, right: bool) -> Side:
    shown = next((row for row in rows if (row.score >= RIGHT) == right), rows[0])
    return Side(shown.score, shown.answer, shown.expert, shown.error)
