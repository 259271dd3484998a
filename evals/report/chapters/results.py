"""The results: every subject overall and in each task, by category, and with several draws."""

from collections.abc import Mapping, Sequence

from evals.report import words
from evals.report.pictures.accuracies import accuracies
from evals.report.report import Block, Line, Report
from evals.report.sections import Section, Table, heat_table
from evals.reporting.numbers import counted, number

MOST_CATEGORIES = 60
"""Categories in a table; the largest ones. The JSON has all."""


def results(report: Report) -> list[Section]:
    """The sections on accuracy."""
    several = len(report.tasks) > 1
    title = "All tasks" if several else f"Results: {words.name(report.overall.task)}"
    notes = []
    if several:
        notes.append(
            f"The mean of {len(report.tasks)} tasks, each counting the same; subjects that were"
            " not asked every task are not here."
        )
    found = [_section(title, report.overall, notes)]
    if several:
        found += [
            _section(words.name(block.task), block, [], folded=len(report.tasks) > 3)
            for block in report.tasks
        ]
    if draws := [table for block in report.tasks if (table := _draws(block)) is not None]:
        found.append(
            Section(
                "Several draws",
                (
                    "pass@k: the chance that one of k draws is right. majority@n: the score of"
                    " what most of the n draws say, read as votes read answers.",
                ),
                tables=tuple(draws),
            )
        )
    if len(report.overall.categories) > 1:
        found.append(Section("By category", tables=(_categories(report),)))
    return found


def result_table(block: Block, title: str = "") -> Table:
    """Accuracy, gain, regret and costs of every subject."""
    corrected = any(line.corrected for line in block.lines)
    opponent = "" if block.reference is None else block.reference.name
    columns = ["subject", "right %", "gain, points", "unbiased", "regret, points"]
    columns += ["calls", "tokens", "USD per 1,000", words.SECONDS, "loads"]
    if corrected:
        columns.insert(2, "corrected %")
    return Table(
        title,
        tuple(columns),
        tuple(_cells(line, opponent, corrected=corrected) for line in block.lines),
        _reference_words(block),
    )


def _section(title: str, block: Block, notes: Sequence[str], *, folded: bool = False) -> Section:
    if not block.lines:
        return Section(title, ("There is nothing to count.",))
    return Section(
        title,
        (*notes, f"{counted(block.questions, 'question')}."),
        tables=(result_table(block),),
        pictures=(accuracies(block),),
        folded=folded,
    )


def _cells(line: Line, opponent: str, *, corrected: bool) -> tuple[str, ...]:
    cost = line.costs
    cells = [
        words.name(line.subject),
        words.share(line.accuracy),
        words.NONE if line.subject == opponent else words.difference(line.gain),
        words.points(line.unbiased_gain if line.kind == "composition" else None),
        words.difference(line.regret, marked=False),
        number(cost.per_answer(cost.calls)),
        number(cost.per_answer(cost.tokens)),
        number(cost.per_answer(1000 * cost.price_usd)),
        number(cost.per_answer(cost.seconds)),
        str(cost.loads),
    ]
    if corrected:
        cells.insert(2, words.share(line.corrected))
    return tuple(cells)


def _reference_words(block: Block) -> str:
    said = (
        "Brackets: 95 % intervals; *: a gain whose interval does not hold 0. calls, tokens,"
        f" {words.SECONDS}: the mean of an answer; seconds are those under the load of the run that"
        " asked. loads: in this run, of the experts that it calls, shared by all subjects; answers"
        " of the cache need none."
    )
    best = block.reference
    if best is None:
        return said + " No expert was asked alone, so there is no best single expert."
    said += (
        f" Gains are over {words.name(best.name)}, the best single expert on these questions"
        f" ({words.percent(best.in_sample)} %), which is lucky in part: a gain is at least that."
        " unbiased: over the expert that is best on other questions than those that it answers"
        f" ({words.percent(best.cross_fitted)} %; {_chosen(best.chosen)}); a mean without interval."
    )
    if best.oracle is not None:
        said += (
            f" The per-query oracle has {words.share(best.oracle)} % on the"
            f" {counted(best.oracle.questions, 'question')} that every expert answered; it counts"
            " lucky guesses."
        )
    return said


def _chosen(shares: Mapping[str, float]) -> str:
    order = sorted(shares, key=lambda expert: -shares[expert])[:4]
    listed = [f"{words.name(e, 40)} {100 * shares[e]:.0f} %" for e in order if shares[e] >= 0.005]
    return f"chosen: {', '.join(listed)}"


def _draws(block: Block) -> Table | None:
    lines = [(line.subject, line.draws) for line in block.lines if line.draws is not None]
    if not lines:
        return None
    sizes = sorted({k for _, draws in lines for k in draws.pass_at})
    most = max(draws.draws for _, draws in lines)
    columns = ("subject", *(f"pass@{k} %" for k in sizes), f"majority@{most} %")
    rows = tuple(
        (
            words.name(subject),
            *(words.share(draws.pass_at.get(k)) for k in sizes),
            words.share(draws.majority),
        )
        for subject, draws in lines
    )
    return Table(words.name(block.task), columns, rows)


def _categories(report: Report) -> Table:
    block = report.overall
    subjects = [line.subject for line in block.lines]
    largest = sorted(block.categories, key=lambda c: -block.sizes[c])[:MOST_CATEGORIES]
    shown = [category for category in block.categories if category in largest]
    left = len(block.categories) - len(shown)
    return heat_table(
        "Right, in %",
        [f"{words.name(c, 40)} ({block.sizes[c]:,})" for c in shown],
        ["category (questions)", *(words.name(s, 30) for s in subjects)],
        [[block.categories[c].get(s) for s in subjects] for c in shown],
        f"{counted(left, 'smaller category', 'smaller categories')} left out." * (left > 0),
    )
