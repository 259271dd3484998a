"""A whole report as a document."""

from evals.report import words
from evals.report.chapters.results import results
from evals.report.chapters.routing import choices, confidence
from evals.report.chapters.spending import loads, price
from evals.report.report import Report
from evals.report.sections import Card, Document, Section
from evals.reporting.numbers import counted, number

READING = Section(
    "How to read this",
    (
        "An interval says where the accuracy on other questions of the same kind would be, in 95 of"
        " 100 such runs. It is Wilson's, over questions: all draws of a question count as one. It"
        " knows nothing of other kinds of questions.",
        "A gain is a mean of differences on the same questions, so it can be sure where the"
        " intervals of two accuracies overlap. With many subjects some gains seem sure by chance:"
        " one in forty, upwards.",
        "The best single expert on these questions is partly the luckiest, so gains over it are too"
        " small rather than too large: a * can be trusted. The unbiased gain is over an expert that"
        " was chosen by other questions; it scatters more, which is why it has no *.",
        "Seconds are the longest chain of an answer's calls, as the run that asked has measured"
        " them: without the wait for a turn and for loads, but with that inside an engine, which"
        " has dozens of calls at once. They tell little of an expert's speed when nobody else asks."
        " Answers of the cache count as if they were asked.",
    ),
)


def document(report: Report, cards: tuple[Card, ...] = (), cards_note: str = "") -> Document:
    """Put the sections in order."""
    tasks = [words.name(task.task) for task in report.tasks]
    listed = ", ".join(tasks[:4]) + (f" and {len(tasks) - 4} more" if len(tasks) > 4 else "")
    sections = (
        *results(report),
        *price(report),
        *choices(report),
        *confidence(report),
        *loads(report),
        READING,
    )
    return Document(
        title=f"Evaluation: {listed or 'nothing asked'}",
        lead=_lead(report),
        notices=tuple(words.name(notice, 600) for notice in report.notices),
        sections=sections,
        cards=cards,
        cards_title="Answers",
        cards_note=cards_note,
    )


def _lead(report: Report) -> tuple[str, ...]:
    run, totals = report.run, report.run.totals
    drawn = f", {run.samples} draws of each question" if run.samples > 1 else ""
    limit = f", at most {counted(run.limit, 'question')} of a task" if run.limit is not None else ""
    said = [
        f"Begun {words.name(run.created)}; seed {run.seed}{drawn}{limit};"
        f" configuration {words.name(run.config, 16)}."
    ]
    versions = [
        f"{words.name(task.name)} (version {task.version}, {counted(task.questions, 'question')},"
        f" scorer {words.name(task.scorer)})"
        for task in run.tasks[:12]
    ]
    if versions:
        said.append(f"Tasks: {'; '.join(versions)}.")
    if totals is not None:
        tokens = totals.tokens.prompt + totals.tokens.completion
        said.append(
            f"{counted(totals.calls, 'call')} of all subjects; {totals.asked:,} asked,"
            f" {totals.cached:,} from the cache; {tokens:,} tokens,"
            f" {number(totals.price_usd)} USD, {words.duration(totals.seconds)},"
            f" {counted(len(totals.loads), 'load')}."
        )
    return tuple(said)
