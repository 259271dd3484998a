"""A comparison as a document."""

from collections.abc import Callable, Sequence

from evals.report import words
from evals.report.cards import ANSWER_CHARS, CANDIDATE_CHARS, QUESTION_CHARS
from evals.report.compare.comparing import Change, Comparison, Spent
from evals.report.compare.pairs import Flip, Side
from evals.report.compare.picture import differences
from evals.report.sections import Card, Document, Section, Table
from evals.report.statistics.costs import Costs
from evals.reporting.numbers import counted, number
from evals.runs.record import RunInfo

MOST_CARDS = 300
LOST, WON = "right to wrong", "wrong to right"
SAME = "the same answers"


def document(found: Comparison, a: str, b: str) -> Document:
    """Differences, costs, and the answers that flipped; `a` and `b` name the runs."""
    several = len(found.tasks) > 1
    title = "All tasks, each counting the same" if several else next(iter(found.tasks))
    sections = [_section(words.name(title), found.overall)]
    if several:
        sections += [
            _section(words.name(task), changes, folded=len(found.tasks) > 3)
            for task, changes in found.tasks.items()
        ]
    sections += [_costs(found.spent, (found.before, found.after)), _runs(found.before, found.after)]
    cards = _cards(found.flips)
    return Document(
        title=f"{words.name(a)} (A) and {words.name(b)} (B)",
        lead=(
            f"A was begun {words.name(found.before.created)}, B {words.name(found.after.created)}."
            " Differences are B minus A, on the questions that both have.",
        ),
        notices=tuple(words.name(notice, 600) for notice in found.notices),
        sections=tuple(sections),
        cards=cards,
        cards_title="What flipped",
        cards_note=f"{len(cards)} of {counted(len(found.flips), 'flip')}; --json has all.",
    )


def _section(title: str, changes: Sequence[Change], *, folded: bool = False) -> Section:
    rows = tuple(
        (
            words.name(one.subject),
            f"{one.questions:,}",
            words.percent(one.before),
            words.percent(one.after),
            _difference(one),
            str(one.lost),
            str(one.won),
        )
        for one in changes
    )
    columns = ("subject", "questions", "A, right %", "B, right %", "difference, points", LOST, WON)
    note = "Brackets: 95 % intervals of the mean difference; *: it does not hold 0."
    if any(one.same == one.questions for one in changes):
        note += f" {SAME}: both runs have the very same ones, so nothing differs."
    return Section(
        title,
        tables=(Table("", columns, rows, note),),
        pictures=(differences(changes),),
        folded=folded,
    )


def _difference(one: Change) -> str:
    return SAME if one.same == one.questions else words.difference(one.difference)


def _costs(spent: Sequence[Spent], runs: Sequence[RunInfo]) -> Section:
    measures: dict[str, Callable[[Costs], float]] = {
        "calls": lambda cost: cost.per_answer(cost.calls),
        "tokens": lambda cost: cost.per_answer(cost.tokens),
        "USD per 1,000": lambda cost: cost.per_answer(1000 * cost.price_usd),
        words.SECONDS: lambda cost: cost.per_answer(cost.seconds),
    }
    rows = tuple(
        (words.name(one.subject), *(_both(measure, one) for measure in measures.values()),
         _loads(one))
        for one in spent
    )  # fmt: skip
    note = (
        f"A to B, means of an answer. {words.SECONDS}: as the run that asked has measured them,"
        " under its load. loads: of the experts that a subject calls, in the run."
    )
    cached = [
        f"{label} has {run.totals.cached:,} of {run.totals.cached + run.totals.asked:,} answers"
        for label, run in zip("AB", runs, strict=True)
        if run.totals is not None and run.totals.cached
    ]
    if cached:
        note += (
            f" {' and '.join(cached)} from the cache, for which it loaded nothing: loads are not"
            " compared."
        )
    return Section("Costs", tables=(Table("", ("subject", *measures, "loads"), rows, note),))


def _loads(one: Spent) -> str:
    return _both(lambda cost: cost.loads, one) if one.comparable_loads else words.NONE


def _both(measure: Callable[[Costs], float], one: Spent) -> str:
    before, after = measure(one.before), measure(one.after)
    change = f" ({100 * (after / before - 1):+.0f} %)" if before and after != before else ""
    return f"{number(before)} to {number(after)}{change}"


def _runs(before: RunInfo, after: RunInfo) -> Section:
    rows = []
    for label, run in (("A", before), ("B", after)):
        totals = run.totals
        if totals is None:
            rows.append((label, *("-",) * 6))
            continue
        tokens = totals.tokens.prompt + totals.tokens.completion
        rows.append(
            (
                label,
                words.duration(totals.seconds),
                f"{totals.asked:,}",
                f"{totals.cached:,}",
                f"{tokens:,}",
                number(totals.price_usd),
                f"{len(totals.loads):,}",
            )
        )
    columns = ("run", "time", "asked", "from the cache", "tokens", "USD", "loads")
    return Section("The whole runs", tables=(Table("", columns, tuple(rows)),))


def _cards(flips: Sequence[Flip]) -> tuple[Card, ...]:
    order = sorted(flips, key=lambda flip: not flip.lost)  # Stable.
    lost = [flip for flip in order if flip.lost][: MOST_CARDS // 2]
    won = [flip for flip in order if not flip.lost][: MOST_CARDS - len(lost)]
    return tuple(map(_card, (*lost, *won)))


def _card(flip: Flip) -> Card:
    texts = [("question", words.shortened(flip.question, QUESTION_CHARS))]
    if flip.gold:
        texts.append(("right answer", words.shortened(flip.gold, CANDIDATE_CHARS)))
    texts += [_said("A", flip.before), _said("B", flip.after)]
    return Card(
        title=f"{words.name(flip.subject)}: {words.name(flip.sample)}",
        outcome=LOST if flip.lost else WON,
        subject=words.name(flip.subject),
        category=words.name(flip.category),
        tags=(words.name(flip.task),),
        texts=tuple((words.name(label), words.visible(text)) for label, text in texts),
    )


def _said(label: str, side: Side) -> tuple[str, str]:
    by = f", {side.expert}" if side.expert is not None else ""
    what = side.answer if side.error is None else f"failed: {side.error}"
    return f"{label}{by}, score {side.score:g}", words.shortened(what, ANSWER_CHARS)
